/** Spreads processes over the GPUs of a machine. */
import { listAdapters } from '../../../src/platform/node/open_device.ts';

/**
 * The names of the adapters that processes take in turn: all GPUs with hardware behind them, otherwise one software driver.
 * Dawn chooses by name, so that two GPUs of the same name count once; see docs/scale.md for machines with equal GPUs.
 */
export async function gpuNames(): Promise<string[]> {
  const names = (await listAdapters(true)).map(({ name }) => name);
  const isSoftware = (name: string): boolean => /llvmpipe|lavapipe|swiftshader|software|basic render/i.test(name);
  const hardware = [...new Set(names.filter((name) => !isSoftware(name)))];
  return hardware.length > 0 ? hardware : [...new Set(names)].slice(0, 1);
}

/** The flag by which process `i` chooses its adapter; none where there is only one. */
export function adapterFlag(adapters: readonly string[], i: number): string[] {
  const name = adapters[i % adapters.length];
  return adapters.length > 1 && name !== undefined ? ['--adapter', name] : [];
}
