/** Every op that promises to store its result once, by every variant, with an elementwise chain joined to its store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { supported, trace } from '../../../src/kernels/check/run_case.ts';
import { add, mul, neg, square, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import type { Op } from '../../../src/tensor/op.ts';
import { allOps } from '../../../src/tensor/op.ts';
import type { OpCase } from '../../../src/tensor/op_case.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

/** b - y w, little to compile: operands as large as y, and one value for each of its last axis. */
function chained(y: Tensor, feeds: Map<string, Float64Array>): Tensor {
  const operand = (name: string, shape: readonly number[]): Tensor => {
    feeds.set(name, fill({ shape }, 7));
    return y.graph.input(name, shape, 'step', y.dtype);
  };
  return add(mul(neg(y), operand('w', y.shape)), operand('b', y.shape.slice(-1)));
}

async function agrees(op: Op, c: OpCase, variant: string, others: (y: Tensor) => Record<string, Tensor>) {
  const { outputs, feeds } = trace(op, c);
  const y = at(outputs, 0);
  const wanted = { z: chained(y, feeds), ...others(y) };
  const plan = await compile(device, { outputs: wanted, variants: { [op.name]: variant } });
  try {
    const joined = plan.schedule.steps.step.filter(({ dispatch }) => dispatch.label.includes('+neg+mul+add'));
    expect(joined.length).toBe(1);
    for (const [name, data] of feeds) {
      plan.write(name, data);
    }
    plan.run('step');
    const bound = [y, ...c.inputs].some((t) => t.dtype === 'f16') ? 1e-6 : 1e-7;
    const expected = interpret(Object.values(wanted), feeds);
    for (const [i, name] of Object.keys(wanted).entries()) {
      expect(nmse(await plan.read(name), at(expected, i)), name).toBeLessThanOrEqual(Math.max(bound, c.nmse ?? 0));
    }
  } finally {
    plan.destroy();
  }
}

for (const op of allOps().values()) {
  if (!op.storesOnce) {
    continue;
  }
  describe(op.name, () => {
    for (const variant of op.variants.map(({ name }) => name)) {
      it(variant, async (context) => {
        const cases = samples(op, variant);
        if (cases.length === 0) {
          context.skip(`${variant} does not run here`);
        }
        for (const [i, c] of cases.entries()) {
          await agrees(op, c, variant, (y) => ({ total: sum(square(y)) }));
          if (i === 0) {
            await agrees(op, c, variant, () => ({}));
          }
        }
      });
    }
  });
}

/** One case of a variant and one in f16: how a chain is joined does not depend on the case, and compiling takes seconds. */
function samples(op: Op, variant: string): OpCase[] {
  const cases = op.cases.filter(
    (c) => at(trace(op, c).outputs, 0).dtype !== 'i32' && supported(device, op, c, variant),
  );
  const isHalf = (c: OpCase): boolean => c.inputs[0]?.dtype === 'f16';
  return [cases.find((c) => !isHalf(c)), cases.find(isHalf)].filter((c) => c !== undefined);
}
