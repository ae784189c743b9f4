/** Weights joined at load: parts of one buffer where they can be, a dispatch where not; the same values either way. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, concat, linear, reshape, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import type { DType, Shape } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

type Inputs = Readonly<Record<string, { readonly shape: Shape; readonly dtype?: DType }>>;

/** x [3,8] times the weights that `build` makes of `inputs`, with what else it gives; run and compared with the interpreter. */
async function joined(inputs: Inputs, build: (of: (name: string) => Tensor, x: Tensor) => Record<string, Tensor>) {
  const graph = new Graph();
  const x = graph.input('x', [3, 8], 'step');
  const made = new Map(
    Object.entries(inputs).map(([name, { shape, dtype }]) => [name, graph.input(name, shape, 'load', dtype)] as const),
  );
  const outputs = build((name) => made.get(name) ?? x, x);
  const feeds = new Map([['x', fill({ shape: [3, 8] }, 1)]]);
  let seed = 1;
  for (const [name, input] of Object.entries(inputs)) {
    seed++;
    feeds.set(name, fill(input, seed));
  }
  const plan = await compile(device, { outputs, keepLoadInputs: true });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  plan.run('load');
  plan.run('step');
  for (const [name, tensor] of Object.entries(outputs)) {
    expect(nmse(await plan.read(name), interpret([tensor], feeds)[0] ?? [])).toBeLessThan(1e-10);
  }
  const at = [...made.keys()].map((name) => plan.schedule.inputs.get(name)).map((i) => [i?.buffer, i?.offset]);
  return { plan, feeds, at, joins: plan.schedule.steps.load.filter((s) => s.node.op?.name === 'concat').length };
}

const two = { q: { shape: [4, 8] }, k: { shape: [8, 8] } };

describe('weights joined at load', () => {
  it('are ranges of one buffer, and read back as themselves', async () => {
    const { plan, feeds, at, joins } = await joined(two, (of, x) => ({ y: linear(x, concat([of('q'), of('k')], 0)) }));
    using _ = plan;
    const [[buffer] = []] = at;
    expect(joins).toBe(0);
    expect(at).toEqual([
      [buffer, 0],
      [buffer, 4 * 8 * 4],
    ]);
    expect(plan.schedule.buffers[buffer ?? -1]).toMatchObject({ kind: 'input', name: 'q + k', bytes: 12 * 8 * 4 });
    expect(nmse(await plan.read('q'), feeds.get('q') ?? [])).toBeLessThan(1e-14);
    expect(nmse(await plan.read('k'), feeds.get('k') ?? [])).toBeLessThan(1e-14);
  });

  it('may be seen under other shapes, in f16, as a stack', async () => {
    const inputs = { a: { shape: [4, 8], dtype: 'f16' }, b: { shape: [4, 8], dtype: 'f16' } } as const;
    const { plan, at, joins } = await joined(inputs, (of, x) => {
      const stack = concat([reshape(of('a'), [1, 4, 8]), reshape(of('b'), [1, 4, 8])], 0);
      return { y: linear(x, reshape(stack, [8, 8])), z: sum(stack, [0]) };
    });
    using _ = plan;
    expect(joins).toBe(0);
    expect(at[1]).toEqual([at[0]?.[0], 4 * 8 * 2]);
  });

  it('arrive in pieces', async () => {
    const graph = new Graph();
    const parts = ['a', 'b'].map((name) => graph.input(name, [4], 'load', 'f16'));
    using plan = await compile(device, { outputs: { y: add(concat(parts, 0), graph.input('x', [8], 'step')) } });
    plan.write('x', new Float32Array(8));
    plan.writePart('a', new Uint8Array(new Uint16Array([0x3c00, 0x4000, 0x4200, 0x4400]).buffer), 0);
    plan.writePart('b', new Uint8Array(new Uint16Array([0x4700, 0x4800]).buffer), 4);
    plan.writePart('b', new Uint8Array(new Uint16Array([0x4500, 0x4600]).buffer), 0);
    expect(() => plan.writePart('a', new Uint8Array(4), 8)).toThrow('a is f16[4] but was given 4 bytes at byte 8');
    plan.run('load');
    plan.run('step');
    expect([...(await plan.read('y'))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('go when only the load stage reads them', async () => {
    const graph = new Graph();
    const parts = ['a', 'b'].map((name) => graph.input(name, [4], 'load'));
    const total = sum(concat(parts, 0));
    using plan = await compile(device, { outputs: { y: add(total, graph.input('x', [], 'step')) } });
    expect(plan.summary.memory.loadOnly).toBeGreaterThanOrEqual(8 * 4);
    plan.write({ a: new Float32Array(4), b: new Float32Array(4) });
    plan.run('load');
    expect(() => plan.write('b', new Float32Array(4))).toThrow(/a \+ b is gone: the load stage ran already/);
  });
});

describe('a join runs as a kernel', () => {
  it.each<[why: string, Inputs, (of: (name: string) => Tensor, x: Tensor) => Record<string, Tensor>]>([
    [
      'where a part is read by itself too',
      two,
      (of, x) => ({ y: linear(x, concat([of('q'), of('k')], 0)), z: linear(x, of('q')) }),
    ],
    [
      'the second time a part is joined, and the first',
      two,
      (of, x) => ({ y: linear(x, concat([of('q'), of('k')], 0)), z: linear(x, concat([of('k'), of('q')], 0)) }),
    ],
    [
      'where a part is there twice',
      { q: { shape: [4, 8] } },
      (of, x) => ({ y: linear(x, concat([of('q'), of('q')], 0)) }),
    ],
    [
      'where a part is an output',
      two,
      (of, x) => ({ y: linear(x, concat([of('q'), of('k')], 0)), z: reshape(of('q'), [32]) }),
    ],
    ['where a part is computed', two, (of, x) => ({ y: linear(x, concat([add(of('q'), of('q')), of('k')], 0)) })],
    [
      'where a part ends within a word',
      { a: { shape: [3, 1], dtype: 'f16' }, b: { shape: [2, 1], dtype: 'f16' } },
      (of, x) => ({ y: linear(reshape(x, [24, 1]), concat([of('a'), of('b')], 0)) }),
    ],
    [
      'of two types',
      { a: { shape: [4, 8], dtype: 'f16' }, b: { shape: [4, 8] } },
      (of, x) => ({ y: linear(x, concat([of('a'), of('b')], 0)) }),
    ],
    [
      'along an inner axis',
      { a: { shape: [4, 4] }, b: { shape: [4, 4] } },
      (of, x) => ({ y: linear(x, concat([of('a'), of('b')], 1)) }),
    ],
  ])('%s', async (_, inputs, build) => {
    const { plan, at, joins } = await joined(inputs, build);
    using __ = plan;
    expect(joins).toBeGreaterThan(0);
    expect(at.map(([, offset]) => offset)).toEqual(at.map(() => 0));
    expect(new Set(at.map(([buffer]) => buffer)).size).toBe(at.length);
  });
});
