/** The engine as a user of the package writes it: stages that run by themselves, states, typed gradients, one-call evaluation. */
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  add,
  compile,
  type Device,
  evaluate,
  Graph,
  gradients,
  gradientsOrNone,
  interpret,
  less,
  linear,
  mean,
  mul,
  type Plan,
  type State,
  square,
  sub,
  sum,
  type Tensor,
} from '../../src/index.ts';
import { fill } from '../../src/kernels/check/case_values.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

const values = async (plan: Plan, name: string): Promise<number[]> => [...(await plan.read(name))];

it('fits a line, with every stage run by step()', async () => {
  const g = new Graph();
  const x = g.input('x', [64, 8]);
  const y = g.input('y', [64, 1]);
  const w = g.state('w', [1, 8]);
  const loss = mean(square(sub(linear(x, w), y)));
  const [dw] = gradients(loss, [w]);
  using plan = await compile(device, { outputs: { loss }, updates: [w.becomes(sub(w, mul(dw, 0.1)))] });
  const truth = [1, -2, 3, -4, 5, -6, 7, -8];
  const xs = fill({ shape: [64, 8] }, 1);
  const ys = Array.from({ length: 64 }, (_, i) => truth.reduce((n, t, j) => n + t * (xs[i * 8 + j] ?? 0), 0));
  plan.write({ x: xs, y: ys, w: new Float32Array(8) });
  for (let i = 0; i < 200; i++) {
    await plan.step();
  }
  expect((await values(plan, 'loss'))[0]).toBeLessThan(1e-6);
  (await values(plan, 'w')).forEach((v, i) => {
    expect(v).toBeCloseTo(truth[i] ?? Number.NaN, 2);
  });
});

describe('stages', () => {
  /** y = (a²·b)² + c, a of stage load, b of stage prompt, c of stage step; a is read by the step too, so that it stays. */
  async function staged(): Promise<Plan> {
    const g = new Graph();
    const a = g.input('a', [1], 'load');
    const b = g.input('b', [1], 'prompt');
    const c = g.input('c', [1]);
    return compile(device, { outputs: { y: add(square(mul(square(a), b)), mul(a, c)) } });
  }

  it('run once each, and again when what they depend on is written', async () => {
    using plan = await staged();
    const ran: string[] = [];
    const run = plan.run.bind(plan);
    plan.run = (stage) => {
      ran.push(stage);
      return run(stage);
    };
    const step = async (): Promise<string> => {
      ran.length = 0;
      await plan.step();
      return ran.join(' ');
    };
    plan.write({ a: [2], b: [3], c: [1] });
    expect(await step()).toBe('load prompt step');
    expect(await values(plan, 'y')).toEqual([146]);
    expect(await step()).toBe('step');
    plan.write('c', [2]);
    expect(await step()).toBe('step');
    expect(await values(plan, 'y')).toEqual([148]);
    plan.write('b', [1]);
    expect(await step()).toBe('prompt step');
    expect(await values(plan, 'y')).toEqual([20]);
    plan.write('a', [1]);
    expect(await step()).toBe('load prompt step');
    expect(await values(plan, 'y')).toEqual([3]);
  });

  it('are never skipped by an explicit run: it refuses', async () => {
    using plan = await staged();
    plan.write({ a: [2], b: [3], c: [1] });
    await expect(plan.run('step')).rejects.toThrow('the step stage needs the load stage first (it has not run)');
    await plan.run('load');
    await expect(plan.run('step')).rejects.toThrow('the step stage needs the prompt stage first (it has not run)');
    await plan.run('prompt');
    await plan.run('step');
    expect(await values(plan, 'y')).toEqual([146]);
    plan.write('b', [1]);
    await expect(plan.run('step')).rejects.toThrow(
      'the step stage needs the prompt stage first (b was written after it ran)',
    );
    plan.write('a', [1]);
    await plan.run('load');
    await expect(plan.run('step')).rejects.toThrow('the prompt stage first (the load stage ran after it)');
    await plan.step();
    expect(await values(plan, 'y')).toEqual([2]);
  });

  it('that have nothing to run need not be run', async () => {
    const g = new Graph();
    using plan = await compile(device, { outputs: { y: add(g.input('x', [2]), 1) } });
    plan.write('x', [1, 2]);
    await plan.run('step');
    expect(await values(plan, 'y')).toEqual([2, 3]);
  });
});

describe('gradients', () => {
  const g = new Graph();
  const x = g.input('x', [2, 3]);
  const w = g.state('w', [3]);
  const unused = g.input('unused', [3]);

  it('are as many as the tensors they are taken of, in their types too', () => {
    const loss = sum(square(mul(x, w)));
    const both = gradients(loss, [x, w]);
    expectTypeOf(both).toEqualTypeOf<[Tensor, Tensor]>();
    expectTypeOf(w).toEqualTypeOf<State>();
    expect(both.map(({ shape }) => shape)).toEqual([[2, 3], [3]]);
    const list: readonly Tensor[] = [x, w];
    expectTypeOf(gradients(loss, list)).toEqualTypeOf<Tensor[]>();
    const some = gradientsOrNone(loss, [unused, w]);
    expectTypeOf(some).toEqualTypeOf<[Tensor | undefined, Tensor | undefined]>();
    expect(some.map((t) => t?.shape)).toEqual([undefined, [3]]);
  });

  it('that are not there are errors that name the tensor', () => {
    const loss = sum(square(mul(x, w)));
    expect(() => gradients(loss, [w, unused])).toThrow(
      'sum f32[] has no gradient with respect to graph input unused, because the first does not depend on the second',
    );
    expect(() => gradients(sum(less(x, 0)), [x])).toThrow(
      'sum f32[] has no gradient with respect to graph input x, because every path between them passes through an op without a gradient',
    );
  });
});

it('evaluates outputs in one call', async () => {
  const g = new Graph();
  const x = g.input('x', [2, 2]);
  const w = g.input('w', [2], 'load');
  const loss = mean(square(mul(x, w)));
  const [dw] = gradients(loss, [w]);
  const before = device.memory.bytes;
  const found = await evaluate(device, { loss, dw }, { x: [1, 2, 3, 4], w: [1, -1] });
  expectTypeOf(found).toEqualTypeOf<{ loss: Float32Array<ArrayBuffer>; dw: Float32Array<ArrayBuffer> }>();
  const expected = interpret(
    [loss, dw],
    new Map([
      ['x', [1, 2, 3, 4]],
      ['w', [1, -1]],
    ]),
  );
  expect([[...found.loss], [...found.dw]]).toEqual(expected.map((v) => [...v]));
  expect(device.memory.bytes).toBe(before);
});
