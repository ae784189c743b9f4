/**
 * Reductions written once for both kinds of driver. A team reduces one row: `fn run(team: u32, lane: u32)` reads elements
 * `lane, lane + LANES, …` and combines what its lanes found by team_sum or team_max. A team is one invocation (for CPU drivers,
 * where barriers are slow, and for many short rows) or one workgroup (for GPUs). Elements have type T: f32 or vec4<f32>.
 */
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import { gridOf } from '../../tensor/grid.ts';

export type Team = 'invocation' | 'workgroup';

const INVOCATION = `
const LANES: u32 = 1u;
fn team_sum(v: f32, lane: u32) -> f32 { return v; }
fn team_max(v: f32, lane: u32) -> f32 { return v; }

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let team = id.x + id.y * groups.x * WG;
  if (team < params.teams) {
    run(team, 0u);
  }
}
`;

const WORKGROUP = `
const LANES: u32 = WG;
var<workgroup> team_values: array<f32, WG>;

fn team_sum(v: f32, lane: u32) -> f32 {
  team_values[lane] = v;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      team_values[lane] += team_values[lane + half];
    }
    workgroupBarrier();
  }
  let result = team_values[0];
  workgroupBarrier();
  return result;
}

fn team_max(v: f32, lane: u32) -> f32 {
  team_values[lane] = v;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      team_values[lane] = max(team_values[lane], team_values[lane + half]);
    }
    workgroupBarrier();
  }
  let result = team_values[0];
  workgroupBarrier();
  return result;
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let team = group.x + group.y * groups.x;
  if (team < params.teams) {
    run(team, local.x);
  }
}
`;

const SCALAR = `
fn total(v: T) -> f32 { return v; }
fn largest(v: T) -> f32 { return v; }
`;

const VECTOR = `
fn total(v: T) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn largest(v: T) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
`;

export interface TeamKernel {
  readonly label: string;
  /** WGSL that defines `fn run(team: u32, lane: u32)`. */
  readonly code: string;
  readonly team: Team;
  /** Elements in a T. */
  readonly vec: 1 | 4;
  /** Number of teams, params.teams in WGSL. */
  readonly teams: number;
  readonly constants?: Readonly<Record<string, number | string>>;
  readonly params?: Readonly<Record<string, Param>>;
  readonly bindings: readonly Binding[];
  /** Invocations of a workgroup, a power of two. Default 64, or 16 for teams of one invocation, so that few rows use several cores. */
  readonly workgroup?: number;
}

/** The dispatch of a team kernel. */
export function teamDispatch(kernel: TeamKernel): Dispatch {
  const whole = kernel.team === 'workgroup';
  const workgroup = kernel.workgroup ?? (whole ? 64 : 16);
  return {
    label: kernel.label,
    code: `${kernel.vec === 4 ? VECTOR : SCALAR}${kernel.code}${whole ? WORKGROUP : INVOCATION}`,
    constants: { ...kernel.constants, T: kernel.vec === 4 ? 'vec4<f32>' : 'f32', WG: workgroup },
    params: { teams: kernel.teams, ...kernel.params },
    bindings: kernel.bindings,
    workgroups: gridOf(whole ? kernel.teams : Math.ceil(kernel.teams / workgroup)),
  };
}
