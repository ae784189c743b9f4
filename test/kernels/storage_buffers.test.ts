/**
 * WebGPU guarantees a kernel eight storage buffers; where there are no more, no dispatch of any op may ask for more. The scratch
 * buffers of a variant are numbered from 0 without gaps.
 */
import { describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { siteOfCase } from '../../src/kernels/check/run_case.ts';
import type { DeviceCaps } from '../../src/tensor/device/device_caps.ts';
import type { Op } from '../../src/tensor/op.ts';
import { allOps } from '../../src/tensor/op.ts';
import type { OpCase } from '../../src/tensor/op_case.ts';
import { supportedVariants } from '../../src/tensor/tuning/choose.ts';

const GUARANTEED = 8;
const shared = { maxWorkgroupStorage: 16384, maxInvocations: 256, maxStorageBuffers: GUARANTEED };
const matrix = { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 };

const ADAPTERS: Readonly<Record<string, DeviceCaps>> = {
  'a CPU with subgroups': { ...shared, software: true, ...subgroupsOf(8), f16: true },
  'a CPU with small subgroups, without f16': { ...shared, software: true, ...subgroupsOf(4), f16: false },
  'a CPU without': { ...shared, software: true, ...subgroupsOf(0), f16: false },
  'a GPU with matrix units': { ...shared, software: false, ...subgroupsOf(32), f16: true, subgroupMatrices: [matrix] },
  'a GPU without f16': { ...shared, software: false, ...subgroupsOf(0), f16: false },
};

function subgroupsOf(size: number): Pick<DeviceCaps, 'subgroups' | 'subgroupMinSize' | 'subgroupMaxSize'> {
  return { subgroups: size > 0, subgroupMinSize: size, subgroupMaxSize: size };
}

/** The variants' dispatches that ask for too much, or for scratch buffers whose numbers have gaps, each in a few words. */
function wrongBuffers(op: Op, c: OpCase, caps: DeviceCaps): string[] {
  const site = siteOfCase(op, c);
  return supportedVariants(op, site, caps).flatMap(({ name, dispatches }) => {
    const all = dispatches(site, caps);
    const most = Math.max(0, ...all.map((d) => d.bindings.length));
    const scratch = new Set(all.flatMap((d) => d.bindings.flatMap(({ ref }) => ('scratch' in ref ? ref.scratch : []))));
    return [
      ...(most > GUARANTEED ? [`${name}: ${most} buffers`] : []),
      ...([...scratch].some((number) => number >= scratch.size) ? [`${name}: scratch ${[...scratch]}`] : []),
    ];
  });
}

describe.each(Object.entries(ADAPTERS))('%s', (_, caps) => {
  it.each([...allOps().keys()])('%s', (name) => {
    const op = allOps().get(name);
    const cases = op?.isView ? [] : (op?.cases ?? []);
    const wrong = cases.flatMap((c, i) => (op ? wrongBuffers(op, c, caps).map((found) => `#${i} ${found}`) : []));
    expect(wrong).toEqual([]);
  });
});
