/**
 * Winograd's convolution on GPUs: the product at the points is matmul's gpu_tile, with the 36 points as its batch. As many
 * tiles are transformed at a time as stay in the cache from one dispatch to the next.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import { variantNamed } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { matmulOp } from '../matmul/matmul.ts';
import type { Epilogue } from './shapes.ts';
import { plain } from './shapes.ts';
import type { PointProduct, Winograd } from './winograd.ts';
import { atPoints, tilesIn, tilesOf, winogradVariants } from './winograd.ts';
import { MATRICES } from './winograd_transforms.ts';

/** Bytes of the transformed source, and of the result, that caches hold (an A100's has 40 MiB). */
const CACHED_BYTES = 2 ** 24;

function gpuTileProduct(p: Winograd, caps: DeviceCaps): PointProduct | null {
  const variant = variantNamed(matmulOp, 'gpu_tile');
  const tiles = Math.min(tilesOf(p), tilesIn(CACHED_BYTES, p));
  const [source, weight, result] = [atPoints(tiles, p.cin), atPoints(p.cin, p.cout), atPoints(tiles, p.cout)];
  const siteOf = (count: number): OpSite<Epilogue> => ({
    inputs: [atPoints(count, p.cin), weight],
    outputs: [atPoints(count, p.cout)],
    attrs: plain,
  });
  if (!variant?.supports?.(siteOf(tiles), caps)) {
    return null;
  }
  // matmul's inputs, output and scratch become scratch of the convolution.
  const inputs: readonly BufferRef[] = [
    { scratch: 1, type: source },
    { scratch: 0, type: weight },
  ];
  const moved = (ref: BufferRef): BufferRef => {
    if ('scratch' in ref) {
      return { ...ref, scratch: ref.scratch + 3 };
    }
    return 'input' in ref ? at(inputs, ref.input) : { scratch: 2, type: result };
  };
  const dispatches = (count: number): Dispatch[] =>
    variant
      .dispatches(siteOf(count), caps)
      .map((d) => ({ ...d, bindings: d.bindings.map((b) => ({ ...b, ref: moved(b.ref) })) }));
  return { layout: MATRICES, tiles, source, weight, result, dispatches };
}

export const winogradGpu = winogradVariants('winograd_gpu', (p, _label, caps) => gpuTileProduct(p, caps));
