/** Random, odd and one-sized shapes, by fast-check: the variant that the planner picks against the interpreter. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import { fill } from '../../src/kernels/check/case_values.ts';
import * as ops from '../../src/kernels/index.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at } from '../../src/tensor/types.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

/** Runs `build` on both sides with normal inputs of the given shapes. */
async function compare(shapes: readonly (readonly number[])[], build: (...inputs: Tensor[]) => Tensor): Promise<void> {
  const graph = new Graph();
  const feeds = new Map(shapes.map((shape, i) => [`x${i}`, fill({ shape }, 7 + i)]));
  const y = build(...shapes.map((shape, i) => graph.input(`x${i}`, shape, 'step')));
  const plan = await compile(device, { outputs: { y } });
  try {
    for (const [name, data] of feeds) {
      plan.write(name, data);
    }
    plan.run('step');
    expect(nmse(await plan.read('y'), at(interpret([y], feeds), 0))).toBeLessThanOrEqual(1e-7);
  } finally {
    plan.destroy();
  }
}

const RUNS = { numRuns: 8, seed: 1 };
const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 4, 8, 12));
const shape = (min: number, max: number) => fc.array(size, { minLength: min, maxLength: max });

it('binary ops broadcast', async () => {
  // A shape, and for each operand which axes it has only one of, and how many leading axes it lacks.
  const operand = fc.record({ ones: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), lacks: fc.nat(5) });
  await fc.assert(
    fc.asyncProperty(shape(1, 5), operand, operand, async (full, a, b) => {
      const cut = (o: typeof a): number[] =>
        full.map((d, i) => (o.ones[i] ? 1 : d)).slice(Math.min(o.lacks, full.length));
      await compare([cut(a), cut(b)], (x, y) => ops.sub(x, y));
    }),
    RUNS,
  );
});

it('reductions', async () => {
  await fc.assert(
    fc.asyncProperty(
      shape(1, 5),
      fc.nat(31),
      fc.constantFrom(ops.sum, ops.mean, ops.max),
      async (full, mask, reduce) => {
        const axes = full.flatMap((_, i) => ((mask >> i) & 1 ? [i] : []));
        await compare([full], (x) => reduce(x, axes));
      },
    ),
    RUNS,
  );
});

it('transpose, slice, pad, concat', async () => {
  await fc.assert(
    fc.asyncProperty(shape(1, 4), fc.array(fc.nat(9), { minLength: 12, maxLength: 12 }), async (full, r) => {
      const rank = full.length;
      const permutation = full.map((_, i) => i).sort((a, b) => at(r, a) - at(r, b) || a - b);
      const starts = full.map((d, i) => at(r, i + 4) % d);
      const sizes = full.map((d, i) => d - at(starts, i));
      await compare([full], (x) => ops.transpose(x, permutation));
      await compare([full], (x) => ops.slice(x, starts, sizes));
      await compare([full], (x) =>
        ops.pad(
          x,
          starts,
          full.map((_, i) => at(r, i + 8) % 3),
        ),
      );
      const other = full.map((d, i) => (i === at(r, 0) % rank ? (at(r, 1) % 5) + 1 : d));
      await compare([full, other], (x, y) => ops.concat([x, y], at(r, 0) % rank));
    }),
    RUNS,
  );
});

it('softmax, normalisation', async () => {
  await fc.assert(
    fc.asyncProperty(shape(1, 3), fc.integer({ min: 2, max: 40 }), async (outer, width) => {
      const full = [...outer, width];
      await compare([full], (x) => ops.softmax(x));
      await compare([full], (x) => ops.l2Normalize(x));
      await compare([full, [width], [width]], (x, gamma, beta) => ops.layerNorm(x, gamma, beta, 1e-5));
    }),
    RUNS,
  );
});

it('group norm', async () => {
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      fc.integer({ min: 2, max: 20 }),
      size,
      fc.constantFrom(1, 2, 3),
      async (h, w, per, groups, n) => {
        const channels = per * groups;
        const shapes = [[n, h, w, channels], [channels], [channels]];
        await compare(shapes, (x, gamma, beta) => ops.groupNorm(x, gamma, beta, { groups, eps: 1e-5, silu: true }));
      },
    ),
    RUNS,
  );
});

it('bicubic resize', async () => {
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      fc.integer({ min: 1, max: 19 }),
      fc.integer({ min: 1, max: 19 }),
      async (h, w, height, width) => {
        await compare([[1, h, w, 3]], (x) => ops.resizeBicubic(x, height, width));
      },
    ),
    RUNS,
  );
});

it('more than 65535 workgroups', async () => {
  const graph = new Graph();
  const one = graph.input('one', [], 'step');
  const count = 65536 * 64 + 3;
  const plan = await compile(device, { outputs: { count: ops.sum(ops.broadcastTo(one, [count])) } });
  try {
    plan.write('one', [1]);
    plan.run('step');
    expect(at(await plan.read('count'), 0)).toBe(count);
  } finally {
    plan.destroy();
  }
});
