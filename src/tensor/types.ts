/** Types that every layer of the engine uses: element types, shapes, stages, and the type of a tensor. */

/** Storage types. Arithmetic is always f32; `f16` only halves what is stored and moved. */
export type DType = 'f32' | 'f16' | 'i32';

/** Static sizes, outermost first. Scalars have shape `[]`. */
export type Shape = readonly number[];

/** The dtype and the shape of a tensor. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * When a value can be known (partial evaluation): from the weights alone (`load`, once),
 * from the prompt (`prompt`, once per prompt), or only from the noise (`step`, every iteration).
 */
export type Stage = 'load' | 'prompt' | 'step';

export const STAGES: readonly Stage[] = ['load', 'prompt', 'step'];

export function laterStage(a: Stage, b: Stage): Stage {
  return STAGES.indexOf(a) >= STAGES.indexOf(b) ? a : b;
}

/** Number of elements of `shape`. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

export function bytesPerElement(dtype: DType): number {
  return dtype === 'f16' ? 2 : 4;
}

/** Bytes a tensor occupies in a buffer: its elements, rounded up to the 4 bytes WebGPU copies need. */
export function byteSize(type: TensorType): number {
  return Math.max(4, Math.ceil((sizeOf(type.shape) * bytesPerElement(type.dtype)) / 4) * 4);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) {
    strides[i] = at(strides, i + 1) * at(shape, i + 1);
  }
  return strides;
}

export function showType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(',')}]`;
}

/** NumPy broadcasting of two shapes. @throws RangeError naming both shapes when they do not broadcast. */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const da = a[a.length - rank + i] ?? 1;
    const db = b[b.length - rank + i] ?? 1;
    if (da !== db && da !== 1 && db !== 1) {
      throw new RangeError(`shapes [${a.join(',')}] and [${b.join(',')}] do not broadcast`);
    }
    out.push(da === 1 ? db : da);
  }
  return out;
}

/** Checked array access: the type system cannot know that `i` is in range, so say where it was not. */
export function at<T>(items: ArrayLike<T>, i: number): T {
  const item = items[i];
  if (item === undefined) {
    throw new RangeError(`index ${i} is outside a list of ${items.length}`);
  }
  return item;
}

/** Appends `item` to the list at `key`, which begins empty. */
export function append<K, T>(lists: Map<K, T[]>, key: K, item: T): void {
  const list = lists.get(key);
  if (list) {
    list.push(item);
  } else {
    lists.set(key, [item]);
  }
}
