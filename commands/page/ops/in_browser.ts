/** The browser's side of `npm run page -- ops`: runs the op registry, by the functions that the tests in Node call. */
import '../../../src/kernels/index.ts';
import type { OpTest } from '../../../src/kernels/check/check_op.ts';
import { deviceTests } from '../../../src/kernels/check/device_tests.ts';
import { openDevice } from '../../../src/platform/browser/open_device.ts';
import type { AdapterSummary, Device } from '../../../src/tensor/device/device.ts';
import { allOps, type Op } from '../../../src/tensor/op.ts';
import type { BrowserAdapter, RegistryRow } from './registry_row.ts';

/** The functions by which the command and this script speak with each other. */
export interface Bridge {
  /** Says which ops are wanted: those with one of these texts in their name; and how many of their cases at most. */
  readonly wanted: () => Promise<{ readonly names: readonly string[]; readonly cases: number }>;
  readonly row: (row: RegistryRow) => Promise<void>;
  readonly done: (end: { readonly adapters: BrowserAdapter[] } | { readonly sentence: string }) => Promise<void>;
}

const bridge = globalThis as unknown as Bridge;
const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  const { names, cases } = await bridge.wanted();
  const device = await openDevice();
  const adapters = await listAdapters(device);
  for (const op of allOps().values()) {
    if (names.some((name) => op.name.includes(name))) {
      await bridge.row(await checkOn(device, { ...op, cases: op.cases.slice(0, cases) }));
    }
  }
  device.destroy();
  await bridge.done({ adapters });
} catch (error) {
  await bridge.done({ sentence: sentenceOf(error) });
}

async function checkOn(device: Device, op: Op): Promise<RegistryRow> {
  const start = performance.now();
  const failed: string[] = [];
  const leftOut: string[] = [];
  let [ok, worst] = [0, 0];
  for (const test of op.isView ? [] : deviceTests(op)) {
    const errors = await errorsOf(test, device);
    if (errors === null) {
      leftOut.push(test.name);
    } else if (typeof errors === 'string') {
      failed.push(`${test.name}: ${errors}`);
    } else {
      const largest = Math.max(...errors);
      if (errors.length > 0 && errors.every((error) => error <= test.bound)) {
        ok += 1;
        worst = Math.max(worst, largest / test.bound);
      } else {
        failed.push(`${test.name}: NMSE ${largest.toExponential(1)}, at most ${test.bound} is right`);
      }
    }
    device.assertHealthy();
  }
  const seconds = (performance.now() - start) / 1000;
  return { op: op.name, cases: op.cases.length, ok, failed, leftOut, worst, seconds };
}

/** Returns the errors, null where the adapter does not take the case, or the sentence of a failure. */
async function errorsOf({ run }: OpTest<Device>, device: Device): Promise<number[] | null | string> {
  try {
    return await run(device);
  } catch (error) {
    return sentenceOf(error);
  }
}

function nameOf({ description, vendor, architecture }: AdapterSummary): string {
  return description || `${vendor} ${architecture}`.trim();
}

/** Lists the adapters that the browser gives to different wishes, each once; the device's is the first. */
async function listAdapters({ info, caps }: Device): Promise<BrowserAdapter[]> {
  const name = nameOf(info);
  const subgroups = caps.subgroups ? ([caps.subgroupMinSize, caps.subgroupMaxSize] as const) : null;
  const found = new Map<string, BrowserAdapter>([[name, { name, used: true, f16: caps.f16, subgroups }]]);
  const wishes: GPURequestAdapterOptions[] = [
    { powerPreference: 'low-power' },
    { powerPreference: 'high-performance' },
    { forceFallbackAdapter: true },
  ];
  for (const wish of wishes) {
    const adapter = await navigator.gpu.requestAdapter(wish);
    const other = adapter && nameOf(adapter.info);
    if (adapter && other && !found.has(other)) {
      const { subgroupMinSize, subgroupMaxSize } = adapter.info;
      const sizes = adapter.features.has('subgroups') ? ([subgroupMinSize, subgroupMaxSize] as const) : null;
      found.set(other, { name: other, used: false, f16: adapter.features.has('shader-f16'), subgroups: sizes });
    }
  }
  return [...found.values()];
}
