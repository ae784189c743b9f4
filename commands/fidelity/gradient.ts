/** A traced network run on a device: its output, and the gradient at its input of a fixed cotangent. */
import { mul, sum } from '../../src/kernels/index.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';
import { sizeOf } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';
import type { Traced } from './modules.ts';
import { seededValues } from './seeded_network.ts';

/** Deviation of the cotangent: that of a loss over many pixels, in which f16's smallest number, 6e-8, is large. */
const COTANGENT = 1e-7;

export interface Result {
  readonly output: Float32Array;
  readonly gradient: Float32Array;
}

export async function gradientOf(device: Device, traced: Traced, planning: Partial<PlanSpec> = {}): Promise<Result> {
  const { graph, input, output, weights } = traced;
  const loss = sum(mul(output, graph.input('cotangent', output.shape, 'step')));
  const [gradient] = gradients(loss, [input]);
  using plan = await compile(device, { ...planning, outputs: { output, gradient } });
  await weights.upload(plan);
  for (const [name, { dtype, shape, node }] of graph.inputs) {
    if (node.stage !== 'load') {
      const values = seededValues(name, sizeOf(shape), name === 'cotangent' ? COTANGENT : 1);
      plan.write(name, dtype === 'i32' ? values.map((v) => Math.floor(Math.abs(v) * 1000)) : values);
    }
  }
  for (const stage of ['load', 'prompt', 'step'] as const) {
    await plan.run(stage);
  }
  return { output: await plan.read('output'), gradient: await plan.read('gradient') };
}
