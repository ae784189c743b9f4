/** Capabilities of an adapter that kernels may rely on. */

/** An adapter lacks what a kernel needs: nothing is wrong with the kernel. */
export class AdapterLacksError extends Error {}

/** Probed from the adapter, never assumed. */
export interface DeviceCaps {
  /** `shader-f16` is there: f16 arrays can be declared and stored. Without it f16 inputs are read packed from u32. */
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** A CPU driver (lavapipe, SwiftShader): prefer register blocking, avoid barriers. */
  readonly software: boolean;
  readonly maxWorkgroupStorage: number;
  readonly maxInvocations: number;
  /** Storage buffers of a kernel; WebGPU guarantees 8. */
  readonly maxStorageBuffers: number;
  /** Shapes that the matrix units multiply, where the device was opened for them (chromium-experimental-subgroup-matrix). */
  readonly subgroupMatrices?: readonly SubgroupMatrix[];
  /** Variants that a check found wrong on this adapter, by the name of their op (kernel_check.ts): they count as not supported. */
  readonly leftOut?: Readonly<Record<string, readonly string[]>>;
  /** `subgroup-size-control` is there: an entry point can fix its subgroup size where the adapter has several. */
  readonly subgroupSizeControl?: boolean;
}

/** [m,k] of `component` times [k,n], summed in `result`. */
export interface SubgroupMatrix {
  readonly component: string;
  readonly result: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}
