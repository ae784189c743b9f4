/** The memory of a planned step, value by value. */
import { beforeAll, describe, expect, it } from 'vitest';
import { GPU_CAPS, planRun } from '../../../src/cli/plan/planned_run.ts';
import { memoryRecord } from '../../../src/tensor/profile/live_values.ts';
import type { MemoryRecord } from '../../../src/tensor/profile/profile.ts';
import type { Schedule } from '../../../src/tensor/schedule/schedule.ts';
import { memorySummary } from '../../../src/tensor/schedule/summary.ts';
import { sum } from '../../../src/tensor/tuning/median.ts';
import { at } from '../../../src/tensor/types.ts';

let schedule: Schedule;
let memory: MemoryRecord;

beforeAll(async () => {
  const device = { caps: GPU_CAPS, info: { vendor: '', architecture: '', description: '' } };
  ({ schedule } = await planRun({ model: 'pocket', device }));
  memory = memoryRecord(schedule);
});

describe('the values of the pocket step', () => {
  it('need as much at once as the plan says', () => {
    const steps = schedule.steps.step;
    const live = steps.map((_, i) =>
      sum(memory.values.filter(({ from, to }) => from <= i && i <= to).map((v) => v.bytes)),
    );
    const { peakLive, shared, steady } = memorySummary(schedule);
    const { saved, transient, streamed } = peakLive.step;
    expect(Math.max(...live)).toBe(saved + transient + streamed);
    expect(memory).toMatchObject({ shared, resident: steady - shared });
  });

  it('are read while they live, and saved ones by a backward pass', () => {
    const steps = schedule.steps.step;
    for (const { from, to, readers, kind } of memory.values) {
      expect(readers.every((i) => from <= i && i <= to)).toBe(true);
      const backward = readers.filter((i) => at(steps, i).node.backward);
      expect(kind === 'saved').toBe(backward.length > 0 && !at(steps, from).node.backward);
    }
    expect(memory.values.filter(({ kind }) => kind === 'saved').length).toBeGreaterThan(100);
  });

  it('are read by the nodes whose inputs they are', () => {
    const steps = schedule.steps.step;
    // Readers are found by their place in a buffer; a node's inputs say the same of those that no view lies before.
    const byMaker = new Map(memory.values.map((value) => [`${value.from} ${value.name}`, value]));
    let compared = 0;
    steps.forEach(({ node, dispatch }, i) => {
      if (steps[i - 1]?.node === node || node.outputs.length !== 1) {
        return;
      }
      const value = byMaker.get(`${i} ${dispatch.label}`);
      const direct = steps.flatMap((other, k) => (other.node.inputs.some((t) => t.node.id === node.id) ? [k] : []));
      if (value && direct.length > 0 && steps[i + 1]?.node !== node) {
        compared++;
        expect(value.readers).toEqual(
          expect.arrayContaining(
            direct.filter((k) => steps[k - 1]?.node !== at(steps, k).node && steps[k + 1]?.node !== at(steps, k).node),
          ),
        );
      }
    });
    expect(compared).toBeGreaterThan(200);
  });
});
