/**
 * CPU drivers with subgroups of 8. On them a load costs far more than a multiply-add or a broadcast within the subgroup (lavapipe:
 * about 20, 0.5 and 1 ns for 8 lanes), so kernels use each loaded value as often as registers allow.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';

/** Invocations of a workgroup, which must be exactly one subgroup. */
export const TILE_LANES = 8;

export function hasSubgroupTile(caps: DeviceCaps): boolean {
  return caps.software && caps.subgroups && caps.subgroupMinSize === TILE_LANES && caps.subgroupMaxSize === TILE_LANES;
}
