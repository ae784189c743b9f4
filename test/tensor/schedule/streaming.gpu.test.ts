/** Weights that come when they are read: the same bits as resident ones, in less memory, as often as they are wanted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, concat, linear, mean, mul, silu } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import type { PlanSpec } from '../../../src/tensor/schedule/plan_spec.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const WIDTH = 256;
const MATRIX = WIDTH * WIDTH * 4;

/** A text tower of `depth` layers (prompt) that scales a small network of the noise, and a weight that is squared at load. */
function network(depth = 6) {
  const graph = new Graph();
  const matrix = (name: string) => graph.input(name, [WIDTH, WIDTH], 'load');
  const z = graph.input('z', [2, WIDTH], 'step');
  let text = graph.input('text', [3, WIDTH], 'prompt');
  for (let i = 0; i < depth; i++) {
    text = add(text, silu(linear(text, matrix(`text.${i}`))));
  }
  // Two weights that lie in one buffer.
  const both = linear(text, concat([matrix('left'), matrix('right')], 0));
  text = add(text, mul(mean(both), text));
  const squared = matrix('squared');
  const seen = linear(silu(linear(z, matrix('step.0'))), matrix('step.1'));
  const loss = mean(mul(add(mean(mul(text, text)), mul(seen, seen)), mean(mul(squared, squared))));
  const outputs = { loss, gradient: gradients(loss, [z])[0], text };
  const weights = graph.nodes.flatMap((n) => (n.name && n.stage === 'load' ? [n.name] : []));
  return { outputs, weights };
}

async function opened(spec: Partial<PlanSpec>, depth?: number): Promise<Plan> {
  const { outputs, weights } = network(depth);
  const plan = await compile(device, { outputs, keepLayouts: false, ...spec });
  weights.forEach((name, i) => {
    plan.write(name, fill({ shape: [WIDTH, WIDTH], scale: 0.05 }, i));
  });
  await plan.run('load');
  return plan;
}

async function results(plan: Plan, seed: number): Promise<Float32Array[]> {
  plan.write('text', fill({ shape: [3, WIDTH] }, seed));
  plan.write('z', fill({ shape: [2, WIDTH] }, seed + 1));
  await plan.run('prompt');
  await plan.run('step');
  return [await plan.read('loss'), await plan.read('gradient'), await plan.read('text')];
}

describe('weights that only the prompt stage reads, streamed', () => {
  it('give the same bits as resident ones, for one prompt after another', async () => {
    using resident = await opened({});
    using streamed = await opened({ streamPrompt: true });
    expect([...streamed.schedule.streams.keys()].sort()).toEqual([
      'left',
      'right',
      'squared',
      ...Array.from({ length: 6 }, (_, i) => `text.${i}`),
    ]);
    for (const seed of [1, 7, 1]) {
      expect(await results(streamed, seed)).toEqual(await results(resident, seed));
    }
    expect(streamed.summary.memory.uploaded).toEqual({ load: MATRIX, prompt: 8 * MATRIX, step: 0 });
  });

  it('share the memory of few of them, however many there are', async () => {
    const sharedAt = async (depth: number): Promise<number> => {
      using plan = await opened({ streamPrompt: true }, depth);
      return plan.summary.memory.shared;
    };
    const shared = await sharedAt(12);
    expect(shared).toBe(await sharedAt(6));
    expect(shared).toBeLessThan(5 * MATRIX);
  });

  it('come from their source in pieces, each time anew', async () => {
    using resident = await opened({});
    using streamed = await opened({ streamPrompt: true });
    const bytes = new Uint8Array(Float32Array.from(fill({ shape: [WIDTH, WIDTH], scale: 0.05 }, 0)).buffer);
    let asked = 0;
    const known = streamed.stream('text.0', async function* () {
      asked++;
      for (let from = 0; from < bytes.length; from += 100_000) {
        yield bytes.slice(from, from + 100_000);
      }
    });
    expect(known).toBe(true);
    expect(await results(streamed, 2)).toEqual(await results(resident, 2));
    expect(await results(streamed, 3)).toEqual(await results(resident, 3));
    expect(asked).toBe(2);
    expect(streamed.stream('step.0', async function* () {})).toBe(false);
  });

  it('are missed with their name', async () => {
    const { outputs, weights } = network();
    using plan = await compile(device, { outputs, keepLayouts: false, streamPrompt: true });
    plan.write('text', fill({ shape: [3, WIDTH] }, 1));
    for (const name of weights.filter((w) => w !== 'text.0')) {
      plan.write(name, fill({ shape: [WIDTH, WIDTH] }, 2));
    }
    await plan.run('load');
    await expect(plan.run('prompt')).rejects.toThrow('text.0 is streamed, but nothing says where its bytes come from');
    for (const short of [8, MATRIX + 4]) {
      plan.stream('text.0', async function* () {
        yield new Uint8Array(short);
      });
      await expect(plan.run('prompt')).rejects.toThrow(/text\.0 is f32\[256,256\].* but was given/);
    }
    expect(() => plan.writePart('text.0', new Uint8Array(4), 0)).toThrow('text.0 is streamed');
  });
});

describe('a budget', () => {
  it('is kept by streaming the weights of the step, at the same bits each time', async () => {
    using resident = await opened({});
    const { peak } = resident.summary.memory;
    let uploaded = 0;
    for (const share of [1, 0.5, 0.3]) {
      device.memory.restartPeak();
      const before = device.memory.bytes;
      using plan = await opened({ budget: Math.floor(peak * share) });
      for (const seed of [5, 6, 5]) {
        expect(await results(plan, seed)).toEqual(await results(resident, seed));
      }
      const { memory } = plan.summary;
      expect(memory.peak).toBeLessThanOrEqual(peak * share);
      // A read's staging buffer comes on top.
      expect(device.memory.peakBytes - before).toBeLessThanOrEqual(memory.peak + 4096);
      expect(memory.uploaded.step).toBeGreaterThanOrEqual(uploaded);
      uploaded = memory.uploaded.step;
    }
    expect(uploaded).toBeGreaterThan(0);
  });

  it('that cannot be kept is refused with what is needed', async () => {
    await expect(opened({ budget: 100_000 })).rejects.toThrow(
      /^this run needs [\d.]+ KiB even with activations recomputed and all weights streamed .* but the budget is 97\.7 KiB: choose a larger budget/,
    );
  });
});

describe('memory of the device', () => {
  it.each([false, true])('is what the plan says, streamed %s, and comes back', async (streamPrompt) => {
    const before = device.memory.bytes;
    device.memory.restartPeak();
    {
      using plan = await opened({ streamPrompt });
      await results(plan, 4);
      const { peak, steady } = plan.summary.memory;
      expect(device.memory.bytes - before).toBe(steady);
      expect(Math.abs((device.memory.peakBytes - before) / peak - 1)).toBeLessThan(0.01);
    }
    expect(device.memory.bytes).toBe(before);
  });
});
