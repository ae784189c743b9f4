/**
 * Winograd's convolution on CPU drivers with subgroups of 8. The transforms store source and weight in panels, so that the product
 * at the points (common/panels.ts) reads memory in order; they work on as many tiles at a time as stay in the cache
 * from one dispatch to the next.
 */
import type { Dispatch } from '../../tensor/dispatch.ts';
import { write } from '../common/bindings.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { panelProduct, upTo } from '../common/panels.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { WIDE_COLUMNS, WIDE_ROWS } from '../common/wide_tile_wgsl.ts';
import { plain } from './shapes.ts';
import type { PointProduct, Winograd } from './winograd.ts';
import { atPoints, POINTS, tilesIn, tilesOf, winogradVariants } from './winograd.ts';
import { PANELS } from './winograd_transforms.ts';

/** Bytes of the transformed source, and of the result, that caches hold. */
const CACHED_BYTES = 2 ** 23;

function panels(p: Winograd, label: string): PointProduct {
  const rowPanels = Math.max(1, Math.floor(tilesIn(CACHED_BYTES, p) / WIDE_ROWS));
  const tiles = Math.min(tilesOf(p), rowPanels * WIDE_ROWS);
  const source = atPoints(upTo(tiles, WIDE_ROWS), p.cin);
  const weight = atPoints(p.cin, upTo(p.cout, WIDE_COLUMNS));
  const result = atPoints(tiles, p.cout);
  const dispatches = (count: number): Dispatch[] => [
    panelProduct(
      `${label}.product`,
      { batch: POINTS, m: count, n: p.cout, k: p.cin },
      {
        a: { scratch: 1, type: source },
        b: { scratch: 0, type: weight },
        rest: [write('y', { scratch: 2, type: result }, 4)],
      },
      epilogueCode(plain, 4),
    ),
  ];
  return { layout: PANELS, tiles, source, weight, result, dispatches };
}

export const winogradCpu = winogradVariants('winograd_cpu', (p, label, caps) =>
  hasSubgroupTile(caps) ? panels(p, label) : null,
);
