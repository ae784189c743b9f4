/** Weights kept as int8: the plan gives the bits of the plan whose weights were rounded beforehand, and needs less memory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { concat, conv2d, linear, mul, reshape, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { encodeF16 } from '../../../src/tensor/half.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import { dequantizeRows, RowRounding, roundRows } from '../../../src/tensor/plan/rounded_rows.ts';
import type { PlanSpec } from '../../../src/tensor/schedule/plan_spec.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import type { DType } from '../../../src/tensor/types.ts';
import { at, sizeOf } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

/** Weights by name. What follows `small` is not rounded: too few elements, or rows that do not fill whole words. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  product: [320, 256],
  convolution: [96, 80, 3, 3],
  q: [256, 256],
  k: [128, 256],
  small: [16, 256],
  odd: [1024, 130],
};
const ROUNDED = ['product', 'convolution', 'q', 'k'];

async function planOf(dtype: DType, options: Partial<PlanSpec>): Promise<Plan> {
  const graph = new Graph();
  const w = (name: string): Tensor => graph.input(name, at([WEIGHTS[name] ?? []], 0), 'load', dtype);
  const x = graph.input('x', [3, 256], 'step');
  const image = graph.input('image', [1, 5, 6, 80], 'step');
  const narrow = graph.input('narrow', [2, 130], 'step');
  const results: readonly (readonly [string, Tensor, Tensor])[] = [
    ['product', linear(x, w('product')), x],
    ['convolution', conv2d(image, w('convolution'), null, { padding: 1 }), image],
    ['packed', linear(x, concat([w('q'), w('k')], 0)), x],
    ['small', linear(x, w('small')), x],
    ['odd', linear(narrow, w('odd')), narrow],
  ];
  const outputs = Object.fromEntries(
    results.flatMap(([name, y, of]) => [
      [`y ${name}`, y],
      [`gradient ${name}`, reshape(gradients(sum(mul(y, y)), [of])[0], of.shape)],
    ]),
  );
  const plan = await compile(device, { outputs, keepLayouts: false, ...options });
  plan.write('x', fill({ shape: [3, 256] }, 1));
  plan.write('image', fill({ shape: [1, 5, 6, 80] }, 2));
  plan.write('narrow', fill({ shape: [2, 130] }, 3));
  return plan;
}

/** Returns the values to write into a weight of `dtype`. */
function valuesOf(name: string, dtype: DType): Float32Array<ArrayBuffer> {
  const shape = WEIGHTS[name] ?? [];
  return Float32Array.from(fill({ shape, dtype }, 10 + Object.keys(WEIGHTS).indexOf(name)));
}

function rounded(name: string, dtype: DType): Float32Array<ArrayBuffer> {
  const x = valuesOf(name, dtype);
  return ROUNDED.includes(name) ? dequantizeRows(roundRows(x, x.length / at(WEIGHTS[name] ?? [], 0)), dtype) : x;
}

async function expectSame(a: Plan, b: Plan): Promise<void> {
  for (let run = 0; run < 2; run++) {
    await a.run('step');
    await b.run('step');
    for (const name of a.schedule.outputs.keys()) {
      expect(await a.read(name), name).toEqual(await b.read(name));
    }
  }
}

describe.each<DType>(['f32', 'f16'])('weights of 8 bits over %s', (dtype) => {
  it('give the bits of rounded ones, run after run, written whole or in pieces', async () => {
    using exact = await planOf(dtype, {});
    using whole = await planOf(dtype, { weightBits: 8 });
    using parts = await planOf(dtype, { weightBits: 8 });
    for (const name of Object.keys(WEIGHTS)) {
      exact.write(name, rounded(name, dtype));
      const x = valuesOf(name, dtype);
      whole.write(name, x);
      const bytes = new Uint8Array(dtype === 'f16' ? encodeF16(x).buffer : x.buffer);
      const cut = ROUNDED.includes(name) ? 100_004 : bytes.length;
      for (let offset = 0; offset < bytes.length; offset += cut) {
        parts.writePart(name, bytes.slice(offset, offset + cut), offset);
      }
    }
    for (const plan of [exact, whole, parts]) {
      await plan.run('load');
    }
    expect(rounded('product', dtype)).not.toEqual(valuesOf('product', dtype));
    await expectSame(whole, exact);
    await expectSame(parts, exact);
    for (const name of Object.keys(WEIGHTS)) {
      expect(await parts.read(name), name).toEqual(rounded(name, dtype));
    }
  });

  it('take a byte each and a scale for each row; the others stay', async () => {
    using exact = await planOf(dtype, {});
    using small = await planOf(dtype, { weightBits: 8 });
    const shapes = ROUNDED.map((name) => WEIGHTS[name] ?? []);
    const elements = shapes.reduce((n, shape) => n + sizeOf(shape), 0);
    const rows = shapes.reduce((n, shape) => n + at(shape, 0), 0);
    const { inputs, buffers } = small.schedule;
    const own = [...new Set(ROUNDED.map((name) => inputs.get(name)?.buffer ?? -1))];
    expect(own.reduce((n, i) => n + at(buffers, i).bytes, 0)).toBe(elements + rows * 4);
    expect(small.summary.memory.peak).toBeLessThan(exact.summary.memory.peak - elements);
    // q and k are parts of one buffer, and are expanded as one; each weight before its forward and its backward use.
    const expansions = small.schedule.steps.step.filter((s) => s.dispatch.label === 'int8_weight');
    expect(expansions.length).toBeGreaterThanOrEqual(3);
    expect(expansions.length).toBeLessThanOrEqual(6);
    expect(small.schedule.inputs.get('k')?.buffer).toBe(small.schedule.inputs.get('q')?.buffer);
    expect(small.schedule.inputs.get('small')?.scales).toBeUndefined();
    expect(small.schedule.inputs.get('odd')?.scales).toBeUndefined();
    expect(small.schedule.streams.size).toBe(0);
  });

  it('are whole where a budget streams them', async () => {
    using small = await planOf(dtype, { weightBits: 8 });
    using lean = await planOf(dtype, { weightBits: 8, budget: small.summary.memory.peak - 20_000 });
    expect(lean.schedule.streams.size).toBeGreaterThan(0);
    expect(lean.summary.memory.peak).toBeLessThan(small.summary.memory.peak);
    using exact = await planOf(dtype, {});
    for (const name of Object.keys(WEIGHTS)) {
      exact.write(name, lean.schedule.streams.has(name) ? valuesOf(name, dtype) : rounded(name, dtype));
      lean.write(name, valuesOf(name, dtype));
    }
    await exact.run('load');
    await lean.run('load');
    await expectSame(lean, exact);
  });
});

describe('rows rounded to int8', () => {
  it('are within half a unit of what they were, with the largest exact', () => {
    const x = Float32Array.from([1, -2, 0.5, 0.004, 0, 0, 0, 0, -8, 3, 1e-9, 5]);
    const rows = roundRows(x, 4);
    expect([...rows.values]).toEqual([64, -127, 32, 0, 0, 0, 0, 0, -127, 48, 0, 79]);
    expect([...rows.scales]).toEqual([Math.fround(2 / 127), 0, Math.fround(8 / 127)]);
    dequantizeRows(rows, 'f32').forEach((value, i) => {
      expect(Math.abs(value - at(x, i))).toBeLessThanOrEqual(at(rows.scales, Math.floor(i / 4)) * 0.5001);
    });
  });

  it('stay visible where they are not finite', () => {
    const rows = roundRows(Float32Array.from([1, Number.NaN, 2, 3, 1, Number.POSITIVE_INFINITY, 0, 0]), 4);
    expect([...dequantizeRows(rows, 'f32')]).toEqual(new Array(8).fill(Number.NaN));
  });

  it('must come in order where they come in pieces', () => {
    const rounding = new RowRounding({ type: { dtype: 'f32', shape: [4, 8] }, offset: 0, scales: 256 });
    const piece = (elements: number) => new Uint8Array(elements * 4);
    expect(rounding.take(piece(4), 0)).toEqual([]);
    expect(rounding.take(piece(12), 16).map((p) => [p.offset, p.bytes.length])).toEqual([
      [0, 16],
      [256, 8],
    ]);
    rounding.take(piece(4), 96); // The last row before the third.
    expect(() => rounding.take(piece(8), 64)).toThrow(
      /is written in whole rows, or in pieces of them one after another/,
    );
    const other = new RowRounding({ type: { dtype: 'f32', shape: [4, 8] }, offset: 0, scales: 256 });
    expect(() => other.take(piece(8), 16)).toThrow(/is written in whole rows/);
  });
});
