/** The attention gradients where a kernel may have eight buffers: in two dispatches, in three with a key mask. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import '../../../src/kernels/index.ts';
import { nmse } from '../../../commands/common/distances.ts';
import { runCase, supported, trace } from '../../../src/kernels/check/run_case.ts';
import { Device } from '../../../src/tensor/device/device.ts';
import { opNamed, variantNamed } from '../../../src/tensor/op.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  const real = await testDevice();
  device = new Device(real.gpu, { ...real.caps, maxStorageBuffers: 8 }, real.info);
});

afterAll(() => {
  device.destroy();
});

const op = opNamed('attention_backward');

/** Variant, case, and in how many dispatches. */
const RUNS: readonly (readonly [string, string, number])[] = [
  ['naive', 'self', 2],
  ['naive', 'key mask', 3],
  ['naive', 'queries from elsewhere, key mask', 2],
  ['naive', 'packed kv and key mask, odd head', 1],
  ['cpu_rows', 'causal and key mask', 3],
];

it.for(RUNS)('%s %s in %i', async ([variant, name, dispatches], { skip }) => {
  const c = op.cases.find((x) => x.name === name);
  if (!c) {
    throw new Error(`attention_backward has no case ${name}`);
  }
  if (!supported(device, op, c, variant)) {
    skip(`${variant} does not run here`);
  }
  const { node } = at(trace(op, c).outputs, 0);
  const site = { inputs: node.inputs.map((t) => t.type), outputs: node.outputs, attrs: node.attrs };
  expect(variantNamed(op, variant)?.dispatches(site, device.caps).length).toBe(dispatches);
  const { actual, expected } = await runCase(device, op, c, variant);
  expected.forEach((e, i) => {
    expect(nmse(actual[i] ?? [], e), `output ${i}`).toBeLessThanOrEqual(1e-7);
  });
});
