/** From kernels to dispatches: what all makes of the attention kernels have in common. */
import type { DeviceCaps } from '../../tensor/device_caps.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { canStoreOne } from '../common/site.ts';
import { hasSubgroupTile, TILE_LANES } from '../common/subgroup_tile.ts';
import {
  ATTENTION_BACKWARD_KEYS_NAIVE,
  ATTENTION_BACKWARD_NAIVE,
  ATTENTION_BACKWARD_QUERY_NAIVE,
  ATTENTION_NAIVE,
} from './naive_wgsl.ts';
import { BACKWARD_MAIN, gradientPlacesCode, placesCode } from './places_wgsl.ts';
import { ATTENTION_BACKWARD_KEYS_CPU_ROWS, ATTENTION_BACKWARD_QUERY_CPU_ROWS } from './row_backward_wgsl.ts';
import { ATTENTION_CPU_ROWS, ROW_CHUNKS } from './row_wgsl.ts';
import type { AttentionAttrs, BackwardAttrs, Part, Wants } from './site.ts';
import { attentionParams, backwardBindings, forwardBindings, siteSizes } from './site.ts';
import {
  ATTENTION_BACKWARD_KEYS_GPU_TILE,
  ATTENTION_BACKWARD_QUERY_GPU_TILE,
  ATTENTION_BACKWARD_TILE,
} from './tile_backward_wgsl.ts';
import { ATTENTION_GPU_TILE, ATTENTION_TILE, TILE } from './tile_wgsl.ts';

/** One make of the kernels. */
interface Make {
  readonly name: string;
  readonly forward: string;
  /** `backward_query` and `backward_keys`, and what both need. */
  readonly backward: { readonly query: string; readonly keys: string; readonly common: string };
  readonly constants: (head: number) => Readonly<Record<string, number | string>>;
  /** Query rows, or key rows, of a workgroup. */
  readonly rows: number;
  readonly vec: 1 | 4;
}

/** For any head. */
const NAIVE: Make = {
  name: 'naive',
  forward: ATTENTION_NAIVE,
  backward: {
    query: ATTENTION_BACKWARD_QUERY_NAIVE,
    keys: ATTENTION_BACKWARD_KEYS_NAIVE,
    common: ATTENTION_BACKWARD_NAIVE,
  },
  constants: (head) => ({ Element: 'f32', HEAD: head, LANES: 32 }),
  rows: 32,
  vec: 1,
};

const GPU_TILE: Make = {
  name: 'gpu_tile',
  forward: ATTENTION_GPU_TILE + ATTENTION_TILE,
  backward: {
    query: ATTENTION_BACKWARD_QUERY_GPU_TILE,
    keys: ATTENTION_BACKWARD_KEYS_GPU_TILE,
    common: ATTENTION_BACKWARD_TILE + ATTENTION_TILE,
  },
  constants: (head) => ({ Element: 'vec4f', HEAD: head / 4, SLICES: Math.ceil(head / TILE), LANES: 64 }),
  rows: TILE,
  vec: 4,
};

/** For CPU drivers with subgroups of 8. */
const CPU_ROWS: Make = {
  name: 'cpu_rows',
  forward: ATTENTION_CPU_ROWS + ROW_CHUNKS,
  backward: { query: ATTENTION_BACKWARD_QUERY_CPU_ROWS, keys: ATTENTION_BACKWARD_KEYS_CPU_ROWS, common: ROW_CHUNKS },
  constants: (head) => ({ Element: 'f32', HEAD: head, CHUNKS: head / 8, LANES: TILE_LANES }),
  rows: 4 * TILE_LANES,
  vec: 1,
};

function forwardDispatch(make: Make, site: OpSite<AttentionAttrs>): Dispatch {
  const { batch, queries, heads, head } = siteSizes(site);
  return {
    label: `attention.${make.name}`,
    code: make.forward + placesCode(site),
    constants: make.constants(head),
    params: { ...attentionParams(site, make.vec), places: 4 * head },
    bindings: forwardBindings(site, make.vec),
    workgroups: [Math.ceil(queries / make.rows), heads, batch],
  };
}

function backwardDispatch(make: Make, site: OpSite<BackwardAttrs>, part: Part): Dispatch {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  const { query, keys: keysCode, common } = make.backward;
  const does: Wants = part === 'dk' || part === 'dv' ? 'keys' : part;
  const code = { query, keys: keysCode, all: query + keysCode }[does];
  const query_groups = does === 'keys' ? 0 : Math.ceil(queries / make.rows);
  const key_groups = does === 'query' ? 0 : Math.ceil(keys / make.rows);
  return {
    label: `attention_backward.${make.name}`,
    code: code + common + BACKWARD_MAIN[does] + gradientPlacesCode(site, part),
    constants: make.constants(head),
    params: { ...attentionParams(site, make.vec), query_groups, places: 4 * head },
    bindings: backwardBindings(site, part, make.vec),
    workgroups: [query_groups + key_groups, heads, batch],
  };
}

/** Ways to divide the work over dispatches, best first. The last has 8 buffers at most, which every device has. */
const DIVISIONS: Readonly<Record<Wants, readonly (readonly Part[])[]>> = {
  all: [['all'], ['query', 'keys'], ['query', 'dk', 'dv']],
  query: [['query']],
  keys: [['keys'], ['dk', 'dv']],
};

/** `isSplit`: queries and keys apart, however many buffers there may be. */
function backwardDispatches(make: Make, site: OpSite<BackwardAttrs>, caps: DeviceCaps, isSplit = false): Dispatch[] {
  const ways = DIVISIONS[site.attrs.wants].filter((parts) => !(isSplit && parts.includes('all')));
  const fits = (parts: readonly Part[]): boolean =>
    parts.every((part) => backwardBindings(site, part).length <= caps.maxStorageBuffers);
  return (ways.find(fits) ?? at(ways, ways.length - 1)).map((part) => backwardDispatch(make, site, part));
}

/** Scores from which on cpu_rows, whose loops are unrolled, is worth seconds of LLVM for heads of more than SHORT. */
const MANY_SCORES = 1 << 20;
const SHORT = 32;
const LONGEST = 128;

function takesRows(site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>, caps: DeviceCaps): boolean {
  const { batch, heads, queries, keys, head } = siteSizes(site);
  const longest = batch * heads * queries * keys >= MANY_SCORES ? LONGEST : SHORT;
  return hasSubgroupTile(caps) && head % 8 === 0 && head <= longest;
}

/** Bytes of workgroup memory of gpu_tile, and the largest head whose sums fit registers. */
const TILE_BYTES = 16 * 864 + 4 * 256;
const WIDEST = 160;

function takesTiles(site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>, caps: DeviceCaps): boolean {
  const { head } = siteSizes(site);
  // Barriers are dear on CPU drivers, and their compilers take ten seconds and more for these kernels.
  return !caps.software && head % 4 === 0 && head <= WIDEST && caps.maxWorkgroupStorage >= TILE_BYTES;
}

export const FORWARD_VARIANTS: readonly Variant<AttentionAttrs>[] = [
  {
    name: 'cpu_rows',
    supports: takesRows,
    dispatches: (site) => [forwardDispatch(CPU_ROWS, site)],
  },
  { name: 'gpu_tile', supports: takesTiles, dispatches: (site) => [forwardDispatch(GPU_TILE, site)] },
  {
    name: 'naive',
    supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
    dispatches: (site) => [forwardDispatch(NAIVE, site)],
  },
];

export const BACKWARD_VARIANTS: readonly Variant<BackwardAttrs>[] = [
  {
    name: 'cpu_rows',
    supports: takesRows,
    // LLVM makes one kernel of both at half the speed of either.
    dispatches: (site, caps) => backwardDispatches(CPU_ROWS, site, caps, true),
  },
  { name: 'gpu_tile', supports: takesTiles, dispatches: (site, caps) => backwardDispatches(GPU_TILE, site, caps) },
  {
    name: 'naive',
    supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
    dispatches: (site, caps) => backwardDispatches(NAIVE, site, caps),
  },
];
