/** Dispatches with one invocation per element, also of more than 65535 workgroups. */
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import { gridOf } from '../../tensor/grid.ts';

/** Entry point of kernels that define `fn run(i: u32)`: calls it once for every i < params.size. */
const PER_ELEMENT = `
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * WG;
  if (i < params.size) {
    run(i);
  }
}
`;

export interface PerElement {
  readonly label: string;
  /** WGSL that defines `fn run(i: u32)`. */
  readonly code: string;
  /** Number of invocations, params.size in WGSL. */
  readonly size: number;
  readonly constants?: Readonly<Record<string, number | string>>;
  readonly params?: Readonly<Record<string, Param>>;
  readonly bindings: readonly Binding[];
  readonly workgroup?: number;
}

export function perElement(kernel: PerElement): Dispatch {
  const workgroup = kernel.workgroup ?? 64;
  return {
    label: kernel.label,
    code: `${kernel.code}${PER_ELEMENT}`,
    constants: { ...kernel.constants, WG: workgroup },
    params: { size: kernel.size, ...kernel.params },
    bindings: kernel.bindings,
    workgroups: gridOf(Math.ceil(kernel.size / workgroup)),
  };
}
