/**
 * 3x3 convolution of stride 1 by F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015):
 * tiles of 6x6 source pixels and the kernel are transformed, multiplied at each of 36 points as a matrix product over channels,
 * and transformed back to 4x4 pixels: a quarter of the multiplications. All in f32; the scratch is what it costs in memory.
 */
import type { BufferRef, DeviceCaps, Dispatch, OpSite } from '../../tensor/op.ts';
import type { TensorType } from '../../tensor/types.ts';
import { at, byteSize } from '../../tensor/types.ts';
import { matmulOp } from '../matmul.ts';
import { epilogueCode } from './matmul_wgsl.ts';
import { WINOGRAD_KERNEL, WINOGRAD_RESULT, WINOGRAD_SOURCE } from './winograd_wgsl.ts';

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
  readonly swapped: boolean;
}

const POINTS = 36;
/** Multiply-adds of the direct form; below them four dispatches instead of one cost more than they save. */
const LEAST_WORK = 2 ** 24;
const GROUP = 64;
/** Of each scratch buffer: the storage binding that every adapter has. */
const MAX_BYTES = 2 ** 27;

interface Shapes {
  readonly across: number;
  readonly tiles: number;
  readonly source: TensorType;
  readonly kernel: TensorType;
  readonly result: TensorType;
}

function shapesOf(p: Winograd): Shapes {
  const across = Math.ceil(p.outWidth / 4);
  const tiles = p.images * Math.ceil(p.outHeight / 4) * across;
  const points = (rows: number, columns: number): TensorType => ({ dtype: 'f32', shape: [POINTS, rows, columns] });
  return { across, tiles, source: points(tiles, p.cin), kernel: points(p.cin, p.cout), result: points(tiles, p.cout) };
}

/** Where the product outweighs the transforms, and the scratch can be bound. */
export function winogradFits(p: Winograd): boolean {
  const { tiles, source, kernel, result } = shapesOf(p);
  const work = p.images * p.outHeight * p.outWidth * 9 * p.cin * p.cout;
  return (
    p.cin % 4 === 0 &&
    p.cout % 4 === 0 &&
    Math.min(p.cin, p.cout) >= 32 &&
    tiles >= 16 &&
    work >= LEAST_WORK &&
    [source, kernel, result].every((t) => byteSize(t) <= MAX_BYTES)
  );
}

/** The product at the 36 points by the first of `variants` that runs here; undefined where none does. */
export function winogradProduct(
  p: Winograd,
  variants: readonly string[],
  caps: DeviceCaps,
): readonly Dispatch[] | undefined {
  const { source, kernel, result } = shapesOf(p);
  const attrs = { bias: false, residual: false };
  const site: OpSite<typeof attrs> = { inputs: [source, kernel], outputs: [result], attrs };
  const variant = variants.map((name) => matmulOp.variants[name]).find((v) => v?.supports?.(site, caps) ?? false);
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
  return variant
    ?.dispatches(site, caps)
    .map((d) => ({ ...d, bindings: d.bindings.map((b) => ({ ...b, ref: moved(b.ref) })) }));
}

/** Input 0 is the source, 1 the kernel, then bias and residual; output 0 the result. */
export function winogradDispatches(
  label: string,
  p: Winograd,
  product: readonly Dispatch[],
  epilogue: { readonly bias: boolean; readonly residual: boolean },
): Dispatch[] {
  const { across, tiles, source, kernel, result } = shapesOf(p);
  const [cin4, cout4] = [p.cin / 4, p.cout / 4];
  const groups = (n: number): readonly [number, number, number] => [Math.ceil(n / GROUP), 1, 1];
  const image = { tiles, across, down: Math.ceil(p.outHeight / 4), six: 6 };
  const { bias, residual } = epilogue;
  return [
    {
      label: `${label}.kernel`,
      code: WINOGRAD_KERNEL,
      params: {
        cin: p.cin,
        cout4,
        columnStep: p.swapped ? p.cin : 1,
        rowStep: p.swapped ? 1 : p.cout,
        turned: Number(p.turned),
        six: 6,
      },
      bindings: [
        { name: 'w', ref: { input: 1 }, access: 'read' },
        { name: 'u', ref: { scratch: 0, type: kernel }, access: 'write', vec: 4 },
      ],
      workgroups: groups(p.cin * cout4),
    },
    {
      label: `${label}.source`,
      code: WINOGRAD_SOURCE,
      params: {
        ...image,
        height: p.sourceHeight,
        width: p.sourceWidth,
        cin4,
        top: { i32: p.top },
        left: { i32: p.left },
      },
      bindings: [
        { name: 'x', ref: { input: 0 }, access: 'read', vec: 4 },
        { name: 'points', ref: { scratch: 1, type: source }, access: 'write', vec: 4 },
      ],
      workgroups: groups(tiles * cin4),
    },
    ...product,
    {
      label: `${label}.result`,
      code: WINOGRAD_RESULT + epilogueCode(epilogue, 4),
      params: { ...image, four: 4, height: p.outHeight, width: p.outWidth, cout4 },
      bindings: [
        { name: 'm', ref: { scratch: 2, type: result }, access: 'read', vec: 4 },
        { name: 'y', ref: { output: 0 }, access: 'write', vec: 4 },
        ...(bias ? [{ name: 'bias', ref: { input: 2 }, access: 'read', vec: 4 } as const] : []),
        ...(residual ? [{ name: 'residual', ref: { input: bias ? 3 : 2 }, access: 'read', vec: 4 } as const] : []),
      ],
      workgroups: groups(tiles * cout4),
    },
  ];
}
