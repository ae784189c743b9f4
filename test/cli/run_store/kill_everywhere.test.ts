/** A publication over an older run, ended at every one of its calls: never a mix of two runs, never half a file. */
import { describe, expect, it } from 'vitest';
import { callsOfPublication, type Ending, endAt } from '../../../commands/faults/crashes/kill_everywhere.ts';
import { seeded } from '../../../commands/faults/fuzz/random.ts';

const calls = callsOfPublication();

describe('a publication', () => {
  it('makes many calls', () => {
    expect(calls).toBeGreaterThan(60);
  });

  it.each<[Ending, number]>([
    ['kill', 1],
    ['error', 1],
    ['power', 5],
  ])('that ends by %s at any call leaves one whole run', (ending, repeats) => {
    const problems = [];
    for (let call = 0; call < calls; call++) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        const words = seeded(call * 1000 + repeat);
        const { problem } = endAt(call, ending, () => words(2 ** 32) / 2 ** 32);
        if (problem !== null) {
          problems.push(`call ${call}, ${repeat}: ${problem}`);
        }
      }
    }
    expect(problems).toEqual([]);
  });
});
