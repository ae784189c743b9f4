/** All stages of a compiled graph once: what comes out, by name. */
import type { WeightStore } from '../../src/models/weights/weight_store.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** @param feeds values of all graph inputs but the weights */
export async function runStages<K extends string>(
  device: Device,
  outputs: Readonly<Record<K, Tensor>>,
  weights: readonly WeightStore[],
  feeds: ReadonlyMap<string, ArrayLike<number>>,
): Promise<Record<K, Float32Array<ArrayBuffer>>> {
  using plan = await compile(device, { outputs });
  for (const store of weights) {
    await store.upload(plan);
  }
  for (const [name, values] of feeds) {
    plan.write(name, values);
  }
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  const read: Partial<Record<K, Float32Array<ArrayBuffer>>> = {};
  for (const name of Object.keys(outputs) as K[]) {
    read[name] = await plan.read(name);
  }
  return read as Record<K, Float32Array<ArrayBuffer>>;
}

/** Adapters on which pipelines are tested: this one, and it as if it lacked what many lack. */
export const ADAPTERS = {
  'with all that the adapter has': {},
  'without shader-f16 and subgroups': { without: ['shader-f16', 'subgroups'] },
} as const;
