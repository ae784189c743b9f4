/**
 * Variants of ops that work on each row (last axis) by itself, such as softmax.
 * naive: an invocation computes a row. workgroup_per_row: a workgroup does, for GPUs. cpu_rows: an invocation does, in vec4s where
 * the width is a multiple of 4, for CPU drivers.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { read, write } from './bindings.ts';
import { canStoreOne, lastOf, vecOf } from './site.ts';
import type { Team } from './team.ts';
import { teamDispatch } from './team.ts';

export interface RowOptions<A extends Attrs> {
  readonly params?: (site: OpSite<A>) => Readonly<Record<string, Param>>;
  /** WGSL that depends on the site, such as on whether there is a gain. */
  readonly snippet?: (site: OpSite<A>) => string;
  /** Names of inputs and outputs that are indexed by single elements (statistics of rows). */
  readonly single?: readonly string[];
}

/**
 * Makes the variants from `code`, a team kernel (team.ts) that runs once for each row of output 0; params.width counts T. Inputs
 * and outputs are bound in order under the names given; names beyond the inputs that a site has are left out.
 */
export function rowVariants<A extends Attrs>(
  name: string,
  code: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options: RowOptions<A> = {},
): Variant<A>[] {
  const dispatch = (site: OpSite<A>, variant: string, team: Team, vec: 1 | 4): Dispatch[] => {
    const { shape } = at(site.outputs, 0);
    const width = lastOf(shape);
    const vecFor = (binding: string): 1 | 4 => (options.single?.includes(binding) ? 1 : vec);
    const bindings: Binding[] = [
      ...inputs.slice(0, site.inputs.length).map((n, k) => read(n, k, vecFor(n))),
      ...outputs.map((n, k) => write(n, k, vecFor(n))),
    ];
    return [
      teamDispatch({
        label: `${name}.${variant}`,
        code: (options.snippet?.(site) ?? '') + code,
        team,
        vec,
        teams: sizeOf(shape) / width,
        params: { width: width / vec, ...options.params?.(site) },
        bindings,
      }),
    ];
  };
  const vecAt = (site: OpSite<A>): 1 | 4 => vecOf(lastOf(at(site.outputs, 0).shape));
  const storable = (site: OpSite<A>, caps: DeviceCaps): boolean =>
    vecAt(site) === 4 || canStoreOne(at(site.outputs, 0), caps);
  return [
    {
      name: 'cpu_rows',
      supports: (site, caps) => caps.software && storable(site, caps),
      dispatches: (site) => dispatch(site, 'cpu_rows', 'invocation', vecAt(site)),
    },
    {
      name: 'workgroup_per_row',
      supports: storable,
      dispatches: (site) => dispatch(site, 'workgroup_per_row', 'workgroup', vecAt(site)),
    },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatch(site, 'naive', 'invocation', 1),
    },
  ];
}
