/** The variants of GroupNorm and of its gradient to x. */
import type { DeviceCaps } from '../../tensor/device_caps.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { canStoreOne, lastOf, vecOf } from '../common/site.ts';
import { activationOf } from './activation.ts';
import type { Columns } from './columns.ts';
import { CHUNK, hasLanes, lastPass, ONE_PASS_ELEMENTS, onePass } from './gpu.ts';
import type { Passes } from './passes.ts';
import { sumsPass, threePasses } from './passes.ts';

/** The variants of a chain of passes. */
export function groupNormVariants<A extends Attrs & { readonly silu: boolean }>(
  name: string,
  describe: (site: OpSite<A>) => Passes,
  byColumns: (columns: Columns, site: OpSite<A>) => Dispatch[],
): Variant<A>[] {
  const onGpu = (label: string, site: OpSite<A>, { extent, eps = 0, all }: Passes) => ({
    label,
    extent,
    eps,
    activation: activationOf(site.attrs),
    operands: all,
  });
  const storable = (site: OpSite<A>, caps: DeviceCaps): boolean =>
    vecOf(lastOf(at(site.outputs, 0).shape)) === 4 || canStoreOne(at(site.outputs, 0), caps);
  return [
    {
      name: 'cpu_columns',
      supports: (site, caps) => caps.software && vecOf(lastOf(at(site.outputs, 0).shape)) === 4,
      dispatches: (site) => {
        const { extent } = describe(site);
        return byColumns({ label: `${name}.cpu_columns`, extent, activation: activationOf(site.attrs) }, site);
      },
    },
    {
      name: 'gpu_one_pass',
      supports: (site, caps) => {
        const { extent } = describe(site);
        const isSmall = extent.pixels * extent.perGroup <= ONE_PASS_ELEMENTS;
        return (
          isSmall &&
          hasLanes(extent, caps.maxInvocations) &&
          (vecOf(extent.perGroup) === 4 || canStoreOne(at(site.outputs, 0), caps))
        );
      },
      dispatches: (site) => {
        const described = describe(site);
        return onePass(described.code.one, onGpu(`${name}.gpu_one_pass`, site, described));
      },
    },
    {
      name: 'gpu_two_pass',
      supports: (site, caps) => storable(site, caps) && hasLanes(describe(site).extent, caps.maxInvocations),
      dispatches: (site) => {
        const described = describe(site);
        const label = `${name}.gpu_two_pass`;
        const { dispatch, partial } = sumsPass(described, {
          label,
          activation: activationOf(site.attrs),
          team: 'workgroup',
          length: Math.min(described.extent.pixels, CHUNK),
        });
        return [dispatch, lastPass(described.code.last, onGpu(`${label}.last`, site, described), partial)];
      },
    },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => threePasses(describe(site), `${name}.naive`, activationOf(site.attrs)),
    },
  ];
}
