/** An op from outside the package: defined with defineOp, used in a graph, and tested by the op tests of this repository. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkOp,
  compile,
  type Device,
  defineOp,
  evaluate,
  Graph,
  gradients,
  mul,
  type Op,
  type OpDefinition,
  sub,
  sum,
  type Tensor,
} from '../../src/index.ts';
import { testDevice } from '../support/test_device.ts';

type None = Record<string, never>;

/** y = sin(x) of any shape, or what `sine` in `code` says. */
function sine(name: string, code: string, vjp: OpDefinition<None>['vjp']): OpDefinition<None> {
  return {
    name,
    infer: ([x]) => {
      if (x?.dtype !== 'f32') {
        throw new Error('needs one f32 tensor');
      }
      return [x];
    },
    ...(vjp ? { vjp } : {}),
    reference: ([x]) => [(x?.data ?? new Float64Array()).map(Math.sin)],
    variants: [
      {
        name: 'naive',
        dispatches: ({ inputs: [x] }) => {
          const size = (x?.shape ?? []).reduce((n, d) => n * d, 1);
          return [
            {
              label: name,
              code: `@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) {
    store_y(id.x, ${code});
  }
}`,
              params: { size },
              bindings: [
                { name: 'x', ref: { input: 0 }, access: 'read' },
                { name: 'y', ref: { output: 0 }, access: 'write' },
              ],
              workgroups: [Math.ceil(size / 64), 1, 1],
            },
          ];
        },
      },
    ],
    cost: ({ inputs: [x] }) => {
      const size = (x?.shape ?? []).reduce((n, d) => n * d, 1);
      return { flops: size, bytes: 8 * size };
    },
    cases: [
      { inputs: [{ shape: [3, 5] }], attrs: {} },
      { name: 'long', inputs: [{ shape: [130] }], attrs: {} },
    ],
  };
}

const sinOp: Op<None> = defineOp(
  sine('user_sin', 'sin(load_x(id.x))', ({ inputs: [x], dy }) => [x ? () => mul(dy, cos(x)) : null]),
);
const sin = (x: Tensor): Tensor => sinOp.one([x], {});
/** cos x = 1 − 2 sin²(x/2) */
const cos = (x: Tensor): Tensor => {
  const half = sin(mul(x, 0.5));
  return sub(1, mul(2, mul(half, half)));
};

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

describe('an op of a user', () => {
  it('passes the tests that follow from its definition', async () => {
    const checks = await checkOp(device, sinOp);
    expect(checks.map(({ name }) => name)).toEqual([
      'gradient #0 f32[3,5]',
      'gradient #1 long',
      'naive #0 f32[3,5]',
      'naive #1 long',
    ]);
    for (const { errors, bound } of checks) {
      expect(errors).toHaveLength(1);
      expect(errors[0]).toBeLessThanOrEqual(bound);
    }
  });

  it('is used in a graph like any other', async () => {
    const g = new Graph();
    const x = g.input('x', [3]);
    const y = sin(x);
    const [dx] = gradients(sum(y), [x]);
    const found = await evaluate(device, { y, dx }, { x: [0, 1, 2] });
    [0, 1, 2].forEach((v, i) => {
      expect(found.y[i]).toBeCloseTo(Math.sin(v), 5);
      expect(found.dx[i]).toBeCloseTo(Math.cos(v), 5);
    });
  });

  it('is refused with what is wrong: its WGSL, its value, its gradient, its cases, its name', async () => {
    const wrongValue = defineOp(sine('user_wrong', 'load_x(id.x)', undefined));
    await expect(checkOp(device, wrongValue)).rejects.toThrow(
      /^op user_wrong fails 2 of 2 checks, the first is naive #0 f32\[3,5\]: its normalised mean squared error is [\d.e-]+ and may be 1e-7$/,
    );
    const wrongGradient = defineOp(sine('user_slope', 'sin(load_x(id.x))', ({ dy }) => [() => dy]));
    await expect(checkOp(device, wrongGradient)).rejects.toThrow(
      /^op user_slope fails 2 of 4 checks, the first is gradient #0 f32\[3,5\]/,
    );
    const untested = defineOp({ ...sine('user_untested', 'load_x(id.x)', undefined), cases: [] });
    await expect(checkOp(device, untested)).rejects.toThrow(
      'op user_untested has no cases: list inputs and attributes to test it with',
    );
    const broken = defineOp(sine('user_broken', 'sine(load_x(id.x))', undefined));
    const g = new Graph();
    const y = broken.one([g.input('x', [3])], {});
    await expect(compile(device, { outputs: { y } })).rejects.toThrow(/^kernel user_broken does not compile: .*sine/);
    expect(() => defineOp(sine('user_sin', '0.0', undefined))).toThrow('op user_sin is defined twice');
    expect(() => broken.one([g.input('i', [3], 'step', 'i32')], {})).toThrow(
      'user_broken(i32[3]): needs one f32 tensor',
    );
  });
});
