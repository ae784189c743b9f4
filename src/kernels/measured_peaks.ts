/** The adapter's own limits, measured: multiply-adds in f32 and in packed f16, matrix units, and copies. */

import type { Device } from '../tensor/device/device.ts';
import type { DeviceCaps } from '../tensor/device/device_caps.ts';
import { USAGE } from '../tensor/plan/buffer_usage.ts';
import { type Encoded, submit } from '../tensor/plan/encode.ts';
import { timed } from '../tensor/plan/timestamps.ts';
import type { Peaks } from '../tensor/profile/profile.ts';
import { at } from '../tensor/types.ts';
import { matrixShape, subgroupSize, subgroupSizeAttribute } from './common/matrix_tile.ts';

/** A kernel without memory traffic, and the operations of one of its workgroups. */
interface PeakKernel {
  readonly name: string;
  readonly kind: ArithmeticPeak['kind'];
  readonly code: string;
  readonly flops: number;
}

/** The highest rate of one kind of arithmetic. */
interface ArithmeticPeak {
  readonly name: string;
  readonly kind: 'f32' | 'f16' | 'matrix';
  /** FLOP/s of the best round; an error where the kernel does not run. */
  readonly rate: number | Error;
}

const WORKGROUP = 64;
const STEPS = 256;
const CHAINS = 16;
/** A measurement grows until it takes this long, in ns: the clock and an empty GPU say nothing. */
const LONG_ENOUGH = 4e6;
const MOST_GROUPS = 65535;
const ROUNDS = 4;

/** @param scalar f32 or f16 @param vector the type that is computed on @param width elements of it */
function multiplyAdds(name: string, scalar: 'f32' | 'f16', vector: string, width: number): PeakKernel {
  const chains = Array.from({ length: CHAINS }, (_, i) => i);
  const step = chains.map((i) => `v${i} = fma(v${i}, m, a);`).join(' ');
  const code = `${scalar === 'f16' ? 'enable f16;\n' : ''}alias T = ${vector};
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let seed = f32(id.x & 1023u) * 1e-6;
  let m = T(${scalar}(0.5 + seed));
  let a = T(${scalar}(0.25 + seed));
  ${chains.map((i) => `var v${i} = a * T(${scalar}(${i + 1}.0));`).join(' ')}
  for (var i = 0u; i < ${STEPS}u; i++) {
    ${step}
    ${step}
  }
  let all = ${chains.map((i) => `v${i}`).join(' + ')};
  y[id.x & 1023u] = bitcast<u32>(f32(all${width > 1 ? '.x' : ''}));
}`;
  return { name, kind: scalar, code, flops: 2 * 2 * CHAINS * width * STEPS * WORKGROUP };
}

/** Four by two products of matrices that stay in registers, again and again. @returns null without matrix units */
function matrixProducts(caps: DeviceCaps): PeakKernel | null {
  const shape = matrixShape(caps);
  const subgroup = subgroupSize(caps);
  if (!shape || subgroup === null) {
    return null;
  }
  const { m, n, k } = shape;
  const subgroups = 4;
  const code = `enable f16;
enable subgroups;
${caps.subgroupMinSize === caps.subgroupMaxSize ? '' : 'enable subgroup_size_control;\n'}enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
const SUBGROUP: u32 = ${subgroup}u;
alias Left = subgroup_matrix_left<f16, ${k}, ${m}>;
alias Right = subgroup_matrix_right<f16, ${n}, ${k}>;
alias Sum = subgroup_matrix_result<f32, ${n}, ${m}>;
var<workgroup> a: array<f16, ${4 * m * k}>;
var<workgroup> b: array<f16, ${2 * k * n}>;
var<workgroup> sums: array<f32, ${subgroups * m * n}>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${subgroups * subgroup})${subgroupSizeAttribute(caps)}
fn main(@builtin(local_invocation_index) index: u32) {
  for (var i = index; i < ${4 * m * k}u; i += ${subgroups * subgroup}u) { a[i] = f16(f32(i % 7u) * 0.125); }
  for (var i = index; i < ${2 * k * n}u; i += ${subgroups * subgroup}u) { b[i] = f16(f32(i % 5u) * 0.125 - 0.25); }
  workgroupBarrier();
  var left: array<Left, 4>;
  var right: array<Right, 2>;
  for (var i = 0u; i < 4u; i++) { left[i] = subgroupMatrixLoad<Left, row_major>(&a, i * ${m * k}u, ${k}u); }
  for (var i = 0u; i < 2u; i++) { right[i] = subgroupMatrixLoad<Right, row_major>(&b, i * ${k * n}u, ${n}u); }
  var c: array<Sum, 8>;
  for (var s = 0u; s < ${STEPS}u; s++) {
    for (var i = 0u; i < 4u; i++) {
      for (var j = 0u; j < 2u; j++) { c[i * 2u + j] = subgroupMatrixMultiplyAccumulate(left[i], right[j], c[i * 2u + j]); }
    }
  }
  let mine = subgroupBroadcastFirst(index / ${subgroup}u) * ${m * n}u;
  for (var i = 0u; i < 8u; i++) {
    subgroupMatrixStore<row_major>(&sums, mine, c[i], ${n}u);
    workgroupBarrier();
    y[(index + i * 64u) & 1023u] = bitcast<u32>(sums[mine + index % ${subgroup}u]);
    workgroupBarrier();
  }
}`;
  return {
    name: `matrix units, f16 to f32, ${m}x${n}x${k}`,
    kind: 'matrix',
    code,
    flops: 2 * m * n * k * 8 * STEPS * subgroups,
  };
}

/** Measures each kind of arithmetic that the adapter has. */
export async function arithmeticPeaks(device: Device): Promise<ArithmeticPeak[]> {
  const { caps } = device;
  const matrices = matrixProducts(caps);
  const kernels = [
    multiplyAdds('f32 multiply-adds', 'f32', 'f32', 1),
    ...(caps.f16 ? [multiplyAdds('packed f16 multiply-adds', 'f16', 'vec2<f16>', 2)] : []),
    ...(matrices ? [matrices] : []),
  ];
  const found: ArithmeticPeak[] = [];
  for (const { name, kind, code, flops } of kernels) {
    const rate = await rateOf(device, name, code, flops).catch((error) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    found.push({ name, kind, rate });
  }
  return found;
}

async function rateOf(device: Device, name: string, code: string, flops: number): Promise<number> {
  const { gpu, memory } = device;
  const layout = device.layout(false, 'w');
  const pipeline = await device.pipeline(name, code, layout, {});
  const buffer = memory.create({ size: 4096, usage: USAGE.STORAGE });
  const bindGroup = gpu.createBindGroup({ layout, entries: [{ binding: 1, resource: { buffer } }] });
  const run = (groups: number): Promise<number> =>
    dispatchTime(device, { pipeline, bindGroup, workgroups: [groups, 1, 1] });
  let groups = 64;
  let ns = await run(groups);
  while (ns < LONG_ENOUGH && groups < MOST_GROUPS) {
    groups = Math.min(MOST_GROUPS, groups * 4);
    ns = await run(groups);
  }
  for (let round = 0; round < ROUNDS; round++) {
    ns = Math.min(ns, await run(groups));
  }
  memory.destroy(buffer);
  device.assertHealthy();
  return (flops * groups) / (ns / 1e9);
}

/** Nanoseconds of a dispatch, by GPU timestamps where there are any, else by the clock. */
async function dispatchTime(device: Device, dispatch: Encoded): Promise<number> {
  const { gpu } = device;
  if (gpu.features.has('timestamp-query')) {
    const { begin, end } = at(await timed(device, [dispatch]), 0);
    return end - begin;
  }
  const start = performance.now();
  submit(gpu, 'peak', [dispatch], 0, 1);
  await gpu.queue.onSubmittedWorkDone();
  return (performance.now() - start) * 1e6;
}

/** Bytes/s, read and written, of copies from one buffer into another. */
export async function copyBandwidth({ gpu, memory, limits }: Device, quick: boolean): Promise<number> {
  const size = Math.min(quick ? 2 ** 25 : 2 ** 29, 2 ** Math.floor(Math.log2(limits.maxBufferSize)));
  const copies = quick ? 4 : 16;
  const usage = USAGE.COPY_SRC | USAGE.COPY_DST;
  const [from, to] = [memory.create({ size, usage }), memory.create({ size, usage })];
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const encoder = gpu.createCommandEncoder();
    for (let i = 0; i < copies; i++) {
      encoder.copyBufferToBuffer(from, 0, to, 0, size);
    }
    const start = performance.now();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
    best = Math.max(best, (2 * size * copies) / ((performance.now() - start) / 1000));
  }
  memory.destroy(from);
  memory.destroy(to);
  return best;
}

/**
 * Measures the peaks that kernels of this project are compared with. They compute in f32, apart from those on matrix units.
 * @throws Error when the kernel of f32 multiply-adds does not run
 */
export async function measurePeaks(device: Device): Promise<Peaks> {
  const arithmetic = await arithmeticPeaks(device);
  const rateOfKind = (wanted: ArithmeticPeak['kind']): number | Error | undefined =>
    arithmetic.find(({ kind }) => kind === wanted)?.rate;
  const [f32, matrix] = [rateOfKind('f32'), rateOfKind('matrix')];
  if (typeof f32 !== 'number') {
    throw new Error(`the f32 peak of this adapter cannot be measured: ${f32?.message ?? 'it has none'}`);
  }
  return { f32, matrix: typeof matrix === 'number' ? matrix : null, bytesPerSecond: await copyBandwidth(device, true) };
}
