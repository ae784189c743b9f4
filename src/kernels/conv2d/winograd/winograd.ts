/**
 * 3x3 convolution of stride 1 by F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015):
 * tiles of 6x6 source pixels and the kernel are transformed, multiplied at each of 36 points as a matrix product over channels,
 * and transformed back to 4x4 pixels: a quarter of the multiplications. All in f32; the scratch is what it costs in memory.
 */
import type { DeviceCaps } from '../../../tensor/device_caps.ts';
import type { BufferRef, Dispatch, Param } from '../../../tensor/dispatch.ts';
import type { OpSite } from '../../../tensor/op.ts';
import { variantNamed } from '../../../tensor/op.ts';
import type { TensorType } from '../../../tensor/types.ts';
import { at, byteSize } from '../../../tensor/types.ts';
import { epilogueCode } from '../../common/epilogue_wgsl.ts';
import type { Operands } from '../../common/panels.ts';
import { panelProduct, upTo } from '../../common/panels.ts';
import { hasSubgroupTile } from '../../common/subgroup_tile.ts';
import { WIDE_COLUMNS, WIDE_ROWS } from '../../common/wide_tile_wgsl.ts';
import { matmulOp } from '../../matmul/matmul.ts';
import type { Epilogue } from '../sizes.ts';
import { MATRICES, PANELS, WINOGRAD_KERNEL, WINOGRAD_RESULT, WINOGRAD_SOURCE } from './transforms_wgsl.ts';

export interface Winograd {
  readonly images: number;
  readonly sourceHeight: number;
  readonly sourceWidth: number;
  readonly cin: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly cout: number;
  /** Zeros above and to the left of the source. */
  readonly top: number;
  readonly left: number;
  /** The kernel is turned by half a turn, as in the input gradient. */
  readonly turned: boolean;
  /** Its last axis is `cin`. */
  readonly transposeWeight: boolean;
}

const POINTS = 36;
/** Multiply-adds of the direct form; below them the transforms cost more than they save. */
const LEAST_WORK = 2 ** 24;
const GROUP = 64;
/** Of the transformed kernel: the storage binding that every adapter has. */
const MAX_BYTES = 2 ** 27;
/** Of the source, and of the result, at the points: what caches hold from one dispatch to the next (an A100's has 40 MiB). */
const CACHED_BYTES = { cpu: 2 ** 23, gpu: 2 ** 24 };

/** How a driver's kind goes about the product at the points. */
interface Way {
  readonly layout: string;
  /** Tiles at a time. */
  readonly tiles: number;
  readonly source: TensorType;
  readonly kernel: TensorType;
  readonly result: TensorType;
  product(tiles: number): readonly Dispatch[];
}

const pointsOf = (rows: number, columns: number): TensorType => ({ dtype: 'f32', shape: [POINTS, rows, columns] });
const tilesOf = (p: Winograd): number => p.images * Math.ceil(p.outHeight / 4) * Math.ceil(p.outWidth / 4);

/** Tiles of which source and result take `bytes` each at most. */
const tilesIn = (bytes: number, p: Winograd): number => Math.floor(bytes / (4 * POINTS * Math.max(p.cin, p.cout)));

/** In panels, as many tiles at a time as stay in the cache from one dispatch to the next. */
function cpuWay(p: Winograd, label: string): Way {
  const panels = Math.max(1, Math.floor(tilesIn(CACHED_BYTES.cpu, p) / WIDE_ROWS));
  const tiles = Math.min(tilesOf(p), panels * WIDE_ROWS);
  const source = pointsOf(upTo(tiles, WIDE_ROWS), p.cin);
  const kernel = pointsOf(p.cin, upTo(p.cout, WIDE_COLUMNS));
  const result = pointsOf(tiles, p.cout);
  const operands: Operands = {
    a: { scratch: 1, type: source },
    b: { scratch: 0, type: kernel },
    rest: [{ name: 'y', ref: { scratch: 2, type: result }, access: 'write', vec: 4 }],
  };
  const product = (count: number): Dispatch[] => {
    const problem = { batch: POINTS, m: count, n: p.cout, k: p.cin };
    return [panelProduct(`${label}.product`, problem, operands, epilogueCode({ bias: false, residual: false }, 4))];
  };
  return { layout: PANELS, tiles, source, kernel, result, product };
}

const panelsOf = (p: Winograd, tiles: number) => ({
  rowPanels: Math.ceil(tiles / WIDE_ROWS),
  columnPanels: Math.ceil(p.cout / WIDE_COLUMNS),
});

/** In matrices, by matmul's tiles for GPUs, as many tiles at a time as stay in the cache; null where those do not run. */
function gpuWay(p: Winograd, caps: DeviceCaps): Way | null {
  const variant = variantNamed(matmulOp, 'gpu_tile');
  const tiles = Math.min(tilesOf(p), tilesIn(CACHED_BYTES.gpu, p));
  const [source, kernel, result] = [pointsOf(tiles, p.cin), pointsOf(p.cin, p.cout), pointsOf(tiles, p.cout)];
  const siteOf = (count: number): OpSite<{ bias: boolean; residual: boolean }> => ({
    inputs: [pointsOf(count, p.cin), kernel],
    outputs: [pointsOf(count, p.cout)],
    attrs: { bias: false, residual: false },
  });
  if (!variant?.supports?.(siteOf(tiles), caps)) {
    return null;
  }
  const inputs: readonly BufferRef[] = [
    { scratch: 1, type: source },
    { scratch: 0, type: kernel },
  ];
  const moved = (ref: BufferRef): BufferRef => {
    if ('scratch' in ref) {
      return { ...ref, scratch: ref.scratch + 3 };
    }
    return 'input' in ref ? at(inputs, ref.input) : { scratch: 2, type: result };
  };
  const product = (count: number): Dispatch[] =>
    variant
      .dispatches(siteOf(count), caps)
      .map((d) => ({ ...d, bindings: d.bindings.map((b) => ({ ...b, ref: moved(b.ref) })) }));
  return { layout: MATRICES, tiles, source, kernel, result, product };
}

/** Where the product outweighs the transforms, and the transformed kernel can be bound. */
function winogradFits(p: Winograd): boolean {
  const work = p.images * p.outHeight * p.outWidth * 9 * p.cin * p.cout;
  return (
    p.cin % 4 === 0 &&
    p.cout % 4 === 0 &&
    Math.min(p.cin, p.cout) >= 32 &&
    tilesOf(p) >= 16 &&
    work >= LEAST_WORK &&
    byteSize(pointsOf(p.cin, upTo(p.cout, WIDE_COLUMNS))) <= MAX_BYTES
  );
}

export type WinogradKind = 'cpu' | 'gpu';

const wayOf = (p: Winograd, label: string, kind: WinogradKind, caps: DeviceCaps): Way | null =>
  kind === 'gpu' ? gpuWay(p, caps) : hasSubgroupTile(caps) ? cpuWay(p, label) : null;

export const winogradRuns = (p: Winograd, kind: WinogradKind, caps: DeviceCaps): boolean =>
  winogradFits(p) && wayOf(p, '', kind, caps) !== null;

/** Input 0 is the source, 1 the kernel, then bias and residual; output 0 the result. */
export function winogradDispatches(
  label: string,
  p: Winograd,
  kind: WinogradKind,
  epilogue: Epilogue,
  caps: DeviceCaps,
): Dispatch[] {
  const way = wayOf(p, label, kind, caps);
  if (!way) {
    throw new Error(`${label} has no product for this adapter`);
  }
  const all = tilesOf(p);
  const starts = Array.from({ length: Math.ceil(all / way.tiles) }, (_, i) => i * way.tiles);
  return [
    kernelTransform(label, p, way),
    ...starts.flatMap((first) => tilesFrom(first, Math.min(way.tiles, all - first), { label, p, way, epilogue })),
  ];
}

const groups = (n: number): readonly [number, number, number] => [Math.ceil(n / GROUP), 1, 1];

function kernelTransform(label: string, p: Winograd, way: Way): Dispatch {
  const [cin4, cout4] = [p.cin / 4, p.cout / 4];
  return {
    label: `${label}.kernel`,
    code: way.layout + WINOGRAD_KERNEL,
    params: {
      ...panelsOf(p, way.tiles),
      tiles: way.tiles,
      cin4,
      cout4,
      columnStep: p.transposeWeight ? p.cin : 1,
      rowStep: p.transposeWeight ? 1 : p.cout,
      turned: Number(p.turned),
      rows: 3,
      points: POINTS,
    },
    bindings: [
      { name: 'w', ref: { input: 1 }, access: 'read' },
      { name: 'u', ref: { scratch: 0, type: way.kernel }, access: 'write', vec: 4 },
    ],
    workgroups: groups(p.cin * cout4),
  };
}

interface Pass {
  readonly label: string;
  readonly p: Winograd;
  readonly way: Way;
  readonly epilogue: Epilogue;
}

/** `count` tiles: to the points, their product, and back. */
function tilesFrom(first: number, count: number, { label, p, way, epilogue }: Pass): Dispatch[] {
  const [cin4, cout4] = [p.cin / 4, p.cout / 4];
  const { bias, residual } = epilogue;
  const image: Record<string, Param> = {
    first,
    tiles: count,
    across: Math.ceil(p.outWidth / 4),
    down: Math.ceil(p.outHeight / 4),
    rows: 6,
  };
  return [
    {
      label: `${label}.source`,
      code: way.layout + WINOGRAD_SOURCE,
      params: {
        ...image,
        ...panelsOf(p, count),
        height: p.sourceHeight,
        width: p.sourceWidth,
        cin4,
        cout4,
        points: POINTS,
        top: { i32: p.top },
        left: { i32: p.left },
      },
      bindings: [
        { name: 'x', ref: { input: 0 }, access: 'read', vec: 4 },
        { name: 'points', ref: { scratch: 1, type: way.source }, access: 'write', vec: 4 },
      ],
      workgroups: groups(count * cin4),
    },
    ...way.product(count),
    {
      label: `${label}.result`,
      code: WINOGRAD_RESULT + epilogueCode(epilogue, 4),
      params: { ...image, pixels: 16, height: p.outHeight, width: p.outWidth, cout4 },
      bindings: [
        { name: 'm', ref: { scratch: 2, type: way.result }, access: 'read', vec: 4 },
        { name: 'y', ref: { output: 0 }, access: 'write', vec: 4 },
        ...(bias ? [{ name: 'bias', ref: { input: 2 }, access: 'read', vec: 4 } as const] : []),
        ...(residual ? [{ name: 'residual', ref: { input: bias ? 3 : 2 }, access: 'read', vec: 4 } as const] : []),
      ],
      workgroups: groups(count * cout4),
    },
  ];
}
