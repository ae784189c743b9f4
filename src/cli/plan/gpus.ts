/**
 * Peak rates of some GPUs, without sparsity. NVIDIA: datasheets and architecture white papers of A100, H100, H200, L4, GA102 (RTX
 * 3090) and Ada (RTX 4090); tensor cores with f32 accumulation. AMD: RX 7900 XTX product page and RDNA 3 ISA guide (dual
 * issue, WMMA). Intel: ARK's A770 (262 INT8 TOPS, half of it for f16 on XMX). Apple publishes bandwidth and cores: f32 is
 * cores × 128 lanes × 2 × clock, f16 runs at the same rate, and simdgroup matrices run on the same ALUs: Dawn shows those of
 * f16 with f16 sums only, which no kernel here takes.
 */
export interface Gpu {
  readonly name: string;
  /** Dense FLOP/s. */
  readonly f32: number;
  readonly f16: number;
  /** f16 × f16 → f32 on matrix units; null where WebGPU shows none. */
  readonly tensor: number | null;
  /** Bytes/s of its memory. */
  readonly bandwidth: number;
  /** Bytes that a process can use; on Apple, three quarters of the shared memory in its largest configuration. */
  readonly memory: number;
  /** Bytes/s from the host, for streamed weights: PCIe ×16, or the rate of the shared memory. */
  readonly host: number;
}

const T = 1e12;
const G = 1e9;

const gpu = (
  name: string,
  [f32, f16, tensor]: readonly [number, number, number | null],
  [bandwidth, gigabytes, host]: readonly [number, number, number],
): Gpu => ({
  name,
  f32: f32 * T,
  f16: f16 * T,
  tensor: tensor === null ? null : tensor * T,
  bandwidth: bandwidth * G,
  memory: gigabytes * G,
  host: host * G,
});

const PCIE4 = 25;
const PCIE5 = 50;

export const GPUS: readonly Gpu[] = [
  gpu('A100 80GB', [19.5, 78, 312], [2039, 80, PCIE4]),
  gpu('A100 40GB', [19.5, 78, 312], [1555, 40, PCIE4]),
  gpu('H100', [66.9, 133.8, 989], [3352, 80, PCIE5]),
  gpu('H200', [66.9, 133.8, 989], [4800, 141, PCIE5]),
  gpu('RTX 4090', [82.6, 82.6, 165.2], [1008, 24, PCIE4]),
  gpu('RTX 3090', [35.6, 35.6, 71.2], [936, 24, PCIE4]),
  gpu('L4', [30.3, 30.3, 121], [300, 24, PCIE4]),
  gpu('RX 7900 XTX', [61.4, 122.8, 122.8], [960, 24, PCIE4]),
  gpu('Arc A770', [19.7, 39.3, 131], [512, 16, PCIE4]),
  gpu('M1', [2.6, 2.6, null], [68, 12, 68]),
  gpu('M1 Max', [10.6, 10.6, null], [400, 48, 400]),
  gpu('M2 Max', [13.6, 13.6, null], [400, 72, 400]),
  gpu('M3 Max', [14.3, 14.3, null], [400, 96, 400]),
  gpu('M4', [4.3, 4.3, null], [120, 24, 120]),
  gpu('M4 Max', [17.2, 17.2, null], [546, 96, 546]),
];

/** The GPUs whose names have all the words of `wanted`, in upper or lower case; `a100` finds two. */
export function gpusNamed(wanted: string): readonly Gpu[] {
  const words = wanted.toLowerCase().split(/[\s_-]+/);
  const exact = GPUS.filter(({ name }) => name.toLowerCase() === words.join(' '));
  return exact.length > 0 ? exact : GPUS.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
}
