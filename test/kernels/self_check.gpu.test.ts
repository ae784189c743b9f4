/** The check of kernels for matrix units before their first use, on ops of this test: an adapter needs no matrix units for it. */
import { setMaxListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CheckMemory, selfCheck } from '../../src/kernels/check/self_check.ts';
import { matmul } from '../../src/kernels/index.ts';
import { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { defineOp, type Op, type OpDefinition, type Variant } from '../../src/tensor/op.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import { type Checked, MATRIX_VARIANT } from '../../src/tensor/tuning/kernel_check.ts';
import { testDevice } from '../support/test_device.ts';

/** Named like a kernel for matrix units, and taken for one by the line that it never reaches. */
const kernel = (expression: string, name = MATRIX_VARIANT): Variant => ({
  name,
  dispatches: () => [
    {
      label: `twice.${name}`,
      code: `// ${name.startsWith(MATRIX_VARIANT) ? 'subgroup_matrix_left' : ''}
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) {
  store_y(id.x, ${expression});
}`,
      params: {},
      bindings: [
        { name: 'x', ref: { input: 0 }, access: 'read' },
        { name: 'y', ref: { output: 0 }, access: 'write' },
      ],
      workgroups: [1, 1, 1],
    },
  ],
});

let count = 0;
function twice(expression: string, more: Partial<OpDefinition<Record<string, never>>> = {}): Op {
  const op = defineOp<Record<string, never>>({
    name: `twice_${count++}`,
    infer: ([x]) => (x ? [x] : []),
    reference: ([x]) => [Float64Array.from(x?.data ?? [], (v) => 2 * v)],
    variants: [kernel(expression), kernel('2.0 * load_x(id.x)', 'naive')] as never,
    cost: () => ({ flops: 4, bytes: 32 }),
    cases: [{ name: 'four', inputs: [{ shape: [4] }], attrs: {} }],
    ...more,
  });
  return op as unknown as Op;
}

let real: Device;
let device: Device;
let said: string[];
let kept: Record<string, Checked>;
const memory = (): CheckMemory => ({
  known: { ...kept },
  keep: async (checks) => {
    Object.assign(kept, checks);
  },
  warn: (sentence) => said.push(sentence),
});

beforeAll(async () => {
  setMaxListeners(0); // Each Device here listens to the same WebGPU device.
  real = await testDevice();
});
afterAll(() => real?.destroy());
beforeEach(() => {
  // The header of such kernels asks for a feature that this adapter may lack; their code asks for nothing.
  const compiled = real.pipeline.bind(real);
  device = new Device(real.gpu, real.caps, real.info);
  device.pipeline = (label, code, ...rest) =>
    compiled(label, code.replace(/^(enable chromium|diagnostic).*$/gm, ''), ...rest);
  said = [];
  kept = {};
});
afterEach(() => real.assertHealthy());

/** Runs the op by a plan. @returns the variant that ran and the result */
async function run(op: Op): Promise<{ variant: string | undefined; y: number[] }> {
  const graph = new Graph();
  const y = op.one([graph.input('x', [4], 'step')], {});
  using plan = await compile(device, { outputs: { y } });
  plan.write('x', [1, 2, 3, 4]);
  await plan.run('step');
  return { variant: [...plan.schedule.choices.values()][0]?.variant, y: [...(await plan.read('y'))] };
}

describe('a kernel for matrix units', () => {
  it('that computes rightly is used, and checked once', async () => {
    const op = twice('load_x(id.x) + load_x(id.x)');
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect(device.kernelCheck.problem(op.name)).toBeUndefined();
    expect(await run(op)).toEqual({ variant: MATRIX_VARIANT, y: [2, 4, 6, 8] });
    expect(device.kernelCheck.problem(op.name)).toBeNull();
    expect([said, kept[op.name]?.problem]).toEqual([[], null]);
  });

  it('that computes wrongly is left out by name, in a sentence', async () => {
    const op = twice('2.01 * load_x(id.x)');
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect(await run(op)).toEqual({ variant: 'naive', y: [2, 4, 6, 8] });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      new RegExp(
        `^the kernel of ${op.name} for matrix units is left out on .+: in the case "four" its .+ error is .+ and may be 1e-7$`,
      ),
    );
    expect(device.caps.leftOut).toEqual({ [op.name]: [MATRIX_VARIANT] });
    // Other kernels are as they were, and the check itself is what found it: without one, the wrong kernel runs.
    device = Object.assign(new Device(real.gpu, real.caps, real.info), { pipeline: device.pipeline });
    expect((await run(op)).variant).toBe(MATRIX_VARIANT);
  });

  it('for f32 operands is checked apart from that for f16 operands', async () => {
    const split = 'subgroup_matrix_split';
    const takes = (dtype: string, variant: Variant): Variant => ({
      ...variant,
      supports: ({ inputs }) => inputs[0]?.dtype === dtype,
    });
    const variants = [
      takes('f16', kernel('2.0 * load_x(id.x)')),
      takes('f32', kernel('2.01 * load_x(id.x)', split)),
      kernel('2.0 * load_x(id.x)', 'naive'),
    ];
    const cases = (['f16', 'f32'] as const).map((dtype) => ({
      name: `four ${dtype}`,
      inputs: [{ shape: [4], dtype }],
      attrs: {},
    }));
    const op = twice('', { variants: variants as never, cases: real.caps.f16 ? cases : cases.slice(1) });
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect(device.kernelCheck.kernels).toEqual([op.name, `${op.name}.${split}`]);
    expect((await run(op)).variant).toBe('naive');
    expect(said[0]).toContain(`the kernel of ${op.name} for matrix units with f32 operands is left out on `);
    expect(device.caps.leftOut).toEqual({ [op.name]: [split] });
    expect(device.kernelCheck.problem(op.name)).toBeUndefined();
  });

  it.each([
    ['gives no number', 'bitcast<f32>(0x7fc00000u + id.x)', /error is NaN and may be/],
    [
      'does not compile',
      'no_such_function(id.x)',
      /it does not run \(kernel twice\.subgroup_matrix does not compile: .*no_such_function/,
    ],
  ])('that %s is left out', async (_, expression, sentence) => {
    const op = twice(expression);
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect((await run(op)).variant).toBe('naive');
    expect(said[0]).toMatch(sentence);
  });

  it('without a test case that runs here is left out', async () => {
    const op = twice('2.0 * load_x(id.x)', { cases: [] });
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect((await run(op)).variant).toBe('naive');
    expect(said[0]).toMatch(/none of its test cases can run there$/);
  });

  it('is not checked for plans that do not use it', async () => {
    const op = twice('2.01 * load_x(id.x)');
    device.kernelCheck = selfCheck(device, memory(), [op]);
    const graph = new Graph();
    const x = graph.input('x', [4, 4], 'step');
    using plan = await compile(device, { outputs: { y: matmul(x, x) } });
    expect(plan.schedule.steps.step).toHaveLength(1);
    expect(device.kernelCheck.problem(op.name)).toBeUndefined();
  });
});

describe('a result that is remembered', () => {
  it('counts without a new check as long as the kernel is the same', async () => {
    const op = twice('2.01 * load_x(id.x)');
    await selfCheck(device, memory(), [op]).ensure([op.name]);
    const { hash = '', problem = '' } = kept[op.name] ?? {};
    expect(problem).toMatch(/^in the case "four"/);
    said = [];
    device = Object.assign(new Device(real.gpu, real.caps, real.info), { pipeline: device.pipeline });
    device.kernelCheck = selfCheck(device, memory(), [op]);
    // Before any plan: what is known to be wrong is no choice.
    expect([device.caps.leftOut, device.kernelCheck.problem(op.name)]).toEqual([
      { [op.name]: [MATRIX_VARIANT] },
      problem,
    ]);
    expect((await run(op)).variant).toBe('naive');
    expect(said).toEqual([]);

    // A wrong kernel that is known as right runs: nothing is computed to find out.
    kept = { [op.name]: { hash, problem: null } };
    device = Object.assign(new Device(real.gpu, real.caps, real.info), { pipeline: device.pipeline });
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect((await run(op)).variant).toBe(MATRIX_VARIANT);

    kept = { [op.name]: { hash: 'of another kernel', problem: null } };
    device = Object.assign(new Device(real.gpu, real.caps, real.info), { pipeline: device.pipeline });
    device.kernelCheck = selfCheck(device, memory(), [op]);
    expect((await run(op)).variant).toBe('naive');
    expect(said).toHaveLength(1);
  });

  it('need not be kept for the check to hold', async () => {
    const op = twice('2.01 * load_x(id.x)');
    const keep = async (): Promise<void> => {
      throw new Error('cannot keep the tuning table');
    };
    device.kernelCheck = selfCheck(device, { ...memory(), keep }, [op]);
    expect((await run(op)).variant).toBe('naive');
    expect(said.slice(1)).toEqual(['cannot keep the tuning table']);
  });
});
