/** Grids of workgroups within what every adapter allows. */

export const MAX_GROUPS_PER_DIMENSION = 65535;

/** A grid of at least `groups` workgroups, as near to that as two dimensions allow. */
export function gridOf(groups: number): [number, number, number] {
  const y = Math.max(1, Math.ceil(groups / MAX_GROUPS_PER_DIMENSION));
  return [Math.max(1, Math.ceil(groups / y)), y, 1];
}
