/** Small functions that many ops share: result types, checks of shapes and axes, cost. */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Cost, OpSite } from '../../tensor/op.ts';
import type { DType, Shape, TensorType } from '../../tensor/types.ts';
import { at, byteSize, sameShape, sizeOf } from '../../tensor/types.ts';

const WIDTH: Readonly<Record<DType, number>> = { i32: 0, f16: 1, f32: 2 };

/**
 * Result dtype of an op that broadcasts: the widest among the inputs that have the result's shape (activations);
 * where there are none, that of the first input. So `f16 activation × f32 bias` stays f16.
 */
export function resultDType(inputs: readonly TensorType[], shape: Shape): DType {
  const full = inputs.filter((t) => sameShape(t.shape, shape));
  return (full.length > 0 ? full : inputs.slice(0, 1)).reduce<DType>(
    (widest, t) => (WIDTH[t.dtype] > WIDTH[widest] ? t.dtype : widest),
    'i32',
  );
}

/** Whether single elements of `type` can be stored: without shader-f16, f16 is stored in fours only. */
export function canStoreOne(type: TensorType, caps: DeviceCaps): boolean {
  return type.dtype !== 'f16' || caps.f16;
}

/** Cost of an op of `flops` for each element of the first output, whose operands cross memory once. */
export function elementCost(site: OpSite, flops: number): Cost {
  return {
    flops: flops * sizeOf(at(site.outputs, 0).shape),
    bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0),
  };
}

/** 4 where all sizes are multiples of 4, so that rows can be read as vec4; else 1. */
export function vecOf(...sizes: readonly number[]): 1 | 4 {
  return sizes.every((n) => n % 4 === 0) ? 4 : 1;
}

/** The axis counted from the front. @throws RangeError unless `-rank <= axis < rank` */
export function axisOf(axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(a) || a < 0 || a >= rank) {
    throw new RangeError(`axis ${axis} is outside a shape of ${rank} dimensions`);
  }
  return a;
}

/** Size of the last axis. @throws RangeError for scalars. */
export function lastOf(shape: Shape): number {
  if (shape.length === 0) {
    throw new RangeError('a scalar has no last axis');
  }
  return at(shape, shape.length - 1);
}

/** @throws Error naming the input unless `type` has exactly `shape`. */
export function expectShape(type: TensorType, shape: Shape, name: string): void {
  if (!sameShape(type.shape, shape)) {
    throw new Error(`${name} has shape [${type.shape.join(',')}], expected [${shape.join(',')}]`);
  }
}
