/** A graph computed once, in one call. */
import type { Device } from '../device/device.ts';
import type { Tensor } from '../tensor.ts';
import { compile } from './compile.ts';

/**
 * Computes tensors once: compiles a plan, writes the inputs, runs all of it, reads the outputs and gives the memory back.
 * For play and tests; what is computed again and again is compiled once with `compile`.
 * @param outputs what to compute, under any names
 * @param inputs a value for each graph input that they depend on, row-major
 * @returns the values, row-major, under the names of `outputs`
 * @throws Error as `compile`, `Plan.write` and `Plan.step`
 */
export async function evaluate<T extends Readonly<Record<string, Tensor>>>(
  device: Device,
  outputs: T,
  inputs: Readonly<Record<string, ArrayLike<number> | Uint8Array>> = {},
): Promise<{ [K in keyof T]: Float32Array<ArrayBuffer> }> {
  const plan = await compile(device, { outputs });
  try {
    plan.write(inputs);
    await plan.step();
    const names: (keyof T & string)[] = Object.keys(outputs);
    const values = await Promise.all(names.map(async (name) => [name, await plan.read(name)] as const));
    return Object.fromEntries(values) as { [K in keyof T]: Float32Array<ArrayBuffer> };
  } finally {
    plan.destroy(); // Not `using`: some browsers with WebGPU lack it.
  }
}
