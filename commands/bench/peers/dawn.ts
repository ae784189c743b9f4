/** `navigator.gpu` in Node, for libraries made for browsers: the same Dawn that this project uses, with the same care for its polling. */
import { create, globals } from 'webgpu';
import { restWhilePolling } from '../../../src/platform/node/rest.ts';

/** @returns the adapter's description */
export async function offerWebGpu(): Promise<string> {
  const gpu = create(process.env.RENO_BACKEND ? [`backend=${process.env.RENO_BACKEND}`] : []);
  const navigator = { gpu, userAgent: 'node', platform: process.platform, hardwareConcurrency: 1 };
  // The instance must outlive its devices.
  Object.assign(globalThis, globals, { gpu });
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  restWhilePolling();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new Error('Dawn finds no adapter');
  }
  return adapter.info.description;
}
