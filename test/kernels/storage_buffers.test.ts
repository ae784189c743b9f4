/** WebGPU guarantees a kernel eight storage buffers; where there are no more, no dispatch of any op may ask for more. */
import { describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { called } from '../../src/kernels/check/run_case.ts';
import type { DeviceCaps } from '../../src/tensor/device_caps.ts';
import type { Op } from '../../src/tensor/op.ts';
import { allOps } from '../../src/tensor/op.ts';
import type { OpCase } from '../../src/tensor/op_case.ts';
import { at } from '../../src/tensor/types.ts';

const GUARANTEED = 8;
const shared = { maxWorkgroupStorage: 16384, maxInvocations: 256, maxStorageBuffers: GUARANTEED };
const matrix = { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 };

const ADAPTERS: Readonly<Record<string, DeviceCaps>> = {
  'a CPU with subgroups': { ...shared, software: true, ...subgroupsOf(8), f16: true },
  'a CPU without': { ...shared, software: true, ...subgroupsOf(0), f16: false },
  'a GPU with matrix units': { ...shared, software: false, ...subgroupsOf(32), f16: true, subgroupMatrices: [matrix] },
  'a GPU without f16': { ...shared, software: false, ...subgroupsOf(0), f16: false },
};

function subgroupsOf(size: number): Pick<DeviceCaps, 'subgroups' | 'subgroupMinSize' | 'subgroupMaxSize'> {
  return { subgroups: size > 0, subgroupMinSize: size, subgroupMaxSize: size };
}

/** Most buffers of a dispatch, by variant. */
function mostBuffers(op: Op, c: OpCase, caps: DeviceCaps): [string, number][] {
  const { node } = at(called(op, c).outputs, 0);
  const site = { inputs: node.inputs.map((t) => t.type), outputs: node.outputs, attrs: node.attrs };
  return op.variants
    .filter((variant) => variant.supports?.(site, caps) ?? true)
    .map(({ name, dispatches }) => [name, Math.max(0, ...dispatches(site, caps).map((d) => d.bindings.length))]);
}

describe.each(Object.entries(ADAPTERS))('%s', (_, caps) => {
  it.each([...allOps().keys()])('%s', (name) => {
    const op = allOps().get(name);
    const cases = op?.isView ? [] : (op?.cases ?? []);
    const over = cases.flatMap((c, i) =>
      op ? mostBuffers(op, c, caps).flatMap(([variant, n]) => (n > GUARANTEED ? [`${variant} #${i}: ${n}`] : [])) : [],
    );
    expect(over).toEqual([]);
  });
});
