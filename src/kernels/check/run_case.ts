/** Runs one case of one op: on the GPU by a named variant, on the interpreter, and its gradient both ways. */
import type { Device } from '../../tensor/device/device.ts';
import { Graph, siteOf } from '../../tensor/graph.ts';
import { interpret } from '../../tensor/interpreter.ts';
import type { Op, OpSite } from '../../tensor/op.ts';
import { variantNamed } from '../../tensor/op.ts';
import type { CaseInput, OpCase } from '../../tensor/op_case.ts';
import { compile } from '../../tensor/plan/compile.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { DType } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { gradientsOrNone } from '../../tensor/vjp.ts';
import { mul, sum } from '../index.ts';
import { fill } from './case_values.ts';

export interface Called {
  readonly inputs: Tensor[];
  readonly outputs: Tensor[];
}

export interface Traced extends Called {
  readonly feeds: Map<string, Float64Array>;
}

/** The dtype of a case's input: f32 unless the case says otherwise, or fills it with ids. */
export const dtypeOf = ({ dtype, fill }: CaseInput): DType => dtype ?? (fill === 'ids' ? 'i32' : 'f32');

/** The inputs of a case whose gradient is checked. */
export function checkedInputs(c: OpCase): readonly number[] {
  const floats = c.inputs.flatMap((spec, i) => (dtypeOf(spec) !== 'i32' && spec.fill !== 'mask' ? [i] : []));
  return c.grad ?? floats;
}

/** The op's node alone, without values for its inputs. */
export function called(op: Op, c: OpCase): Called {
  const graph = new Graph();
  const inputs = c.inputs.map((spec, i) => graph.input(`x${i}`, spec.shape, 'step', dtypeOf(spec)));
  return { inputs, outputs: op.call(inputs, c.attrs) };
}

export function trace(op: Op, c: OpCase, seed = 1): Traced {
  const feeds = new Map(c.inputs.map((spec, i) => [`x${i}`, fill(spec, seed * 1000 + i)]));
  return { ...called(op, c), feeds };
}

/** The case's use of its op. */
export const siteOfCase = (op: Op, c: OpCase): OpSite => siteOf(at(called(op, c).outputs, 0).node);

/** Whether `variant` may run this case on this device. */
export function supported(device: Device, op: Op, c: OpCase, variant: string): boolean {
  const site = siteOfCase(op, c);
  if (op.isView) {
    return false;
  }
  return variantNamed(op, variant)?.supports?.(site, device.caps) ?? true;
}

/** Outputs on the GPU, and what they were traced from. */
export async function runVariant(device: Device, op: Op, c: OpCase, variant: string, seed = 1) {
  const { outputs, feeds } = trace(op, c, seed);
  const named = Object.fromEntries(outputs.map((t, i) => [`y${i}`, t]));
  const plan = await compile(device, { outputs: named, variants: { [op.name]: variant }, unchecked: true });
  try {
    for (const [name, data] of feeds) {
      plan.write(name, data);
    }
    await plan.run('step');
    return { actual: await Promise.all(outputs.map((_, i) => plan.read(`y${i}`))), outputs, feeds };
  } finally {
    plan.destroy();
  }
}

/** Outputs on the GPU beside the interpreter's. */
export async function runCase(device: Device, op: Op, c: OpCase, variant: string, seed = 1) {
  const { actual, outputs, feeds } = await runVariant(device, op, c, variant, seed);
  return { actual, expected: interpret(outputs, feeds) };
}

/** Elements of an input whose gradient is checked by differences: all of a small one, evenly spread over a large one. */
const MAX_DIFFERENCES = 40;

/** L = Σ r·y₀ with fixed random r, and its gradients, as graph nodes. */
function gradientGraph(op: Op, c: OpCase, seed: number) {
  const { inputs, outputs, feeds } = trace(op, c, seed);
  const wrt = checkedInputs(c);
  const y = at(outputs, 0);
  const r = y.graph.constant(fill({ shape: y.shape }, seed * 1000 + 999), y.shape);
  const loss = sum(mul(y, r));
  const found = gradientsOrNone(
    loss,
    wrt.map((i) => at(inputs, i)),
  );
  // Where no gradient is defined the value must not depend on the input, and the differences are zeros too.
  const grads = found.map((gradient, n) => gradient ?? zerosLike(at(inputs, at(wrt, n))));
  return { loss, grads, wrt, feeds };
}

const zerosLike = ({ graph, shape }: Tensor): Tensor => graph.constant(new Float64Array(sizeOf(shape)), shape);

/** The gradients by the VJP's kernels on the GPU beside the interpreter's. */
export async function runGradient(device: Device, op: Op, c: OpCase, seed = 1) {
  const { grads, feeds } = gradientGraph(op, c, seed);
  using plan = await compile(device, { outputs: Object.fromEntries(grads.map((g, i) => [`g${i}`, g])) });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  await plan.step();
  const actual = await Promise.all(grads.map((_, i) => plan.read(`g${i}`)));
  return { actual, expected: interpret(grads, feeds) };
}

/** Gradients of Σ r·y₀ by the VJP and by central differences at the same elements, both in f64 on the interpreter. */
export function gradientPair(op: Op, c: OpCase, seed = 1): { vjp: Float64Array[]; differences: Float64Array[] } {
  const { loss, grads: graphs, wrt, feeds } = gradientGraph(op, c, seed);
  const grads = interpret(graphs, feeds);
  const value = (): number => at(at(interpret([loss], feeds), 0), 0);
  const h = 1e-5;
  const vjp: Float64Array[] = [];
  const differences: Float64Array[] = [];
  wrt.forEach((i, n) => {
    const x = at([...feeds.values()], i);
    const stride = Math.max(1, Math.floor(x.length / MAX_DIFFERENCES));
    const chosen = Array.from({ length: Math.ceil(x.length / stride) }, (_, k) => k * stride);
    vjp.push(Float64Array.from(chosen, (k) => at(at(grads, n), k)));
    differences.push(
      Float64Array.from(chosen, (k) => {
        const before = at(x, k);
        x[k] = before + h;
        const above = value();
        x[k] = before - h;
        const below = value();
        x[k] = before;
        return (above - below) / (2 * h);
      }),
    );
  });
  return { vjp, differences };
}
