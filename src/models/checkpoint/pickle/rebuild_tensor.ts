/** Builds tensors as torch's functions for unpickling do (torch/_utils.py), with their arguments checked one by one. */
import { sizeOf } from '../../../tensor/types.ts';
import { printable } from '../messages.ts';
import type { ReadMeter } from '../read_budget.ts';
import { STORAGES } from './element_types.ts';
import {
  isCallable,
  isMap,
  PickleOddTensor,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from './values.ts';

/** An expanded tensor is larger than its storage. Up to this size, in bytes, it is written out where it is read. */
const MAX_EXPANDED = 2 ** 28;

/** Attributes of torch.Tensor that PyTorch computes or that change a tensor's values; a state that sets one is refused. */
const OWN_ATTRIBUTES =
  /^(H|T|__.*|_backward_hooks|_base|_cdata|_grad|_grad_fn|_has_symbolic_sizes_strides|_post_accumulate_grad_hooks|_python_dispatch|_version|data|device|dtype|grad|grad_dtype|grad_fn|imag|is_.*|itemsize|layout|mH|mT|name|names|nbytes|ndim|output_nr|real|requires_grad|retains_grad|shape|volatile)$/;

type Built = PickleTensor | PickleOddTensor;

/** `_rebuild_tensor(storage, offset, size, stride)`. */
export function rebuildTensor(args: readonly PickleValue[], meter: ReadMeter): Built {
  expectArguments('_rebuild_tensor', args, 4, 4);
  return tensor(args, undefined, undefined, meter);
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata)`. */
export function rebuildTensorV2(args: readonly PickleValue[], meter: ReadMeter): Built {
  expectArguments('_rebuild_tensor_v2', args, 6, 7);
  return withGradient(tensor(args, undefined, args[6], meter), args[4], args[5]);
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata)`. */
export function rebuildTensorV3(args: readonly PickleValue[], meter: ReadMeter): Built {
  expectArguments('_rebuild_tensor_v3', args, 7, 8);
  return withGradient(tensor(args, args[6] ?? null, args[7], meter), args[4], args[5]);
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks)`, with a state as fourth argument for `_with_state`. */
export function rebuildParameter(args: readonly PickleValue[], state: boolean): Built {
  expectArguments('_rebuild_parameter', args, state ? 4 : 3, state ? 4 : 3);
  if (state) {
    checkState(args[3]);
  }
  return withGradient(tensorOf(args[0]), args[1], args[2]);
}

/** Returns the tensor that a function got as argument. */
export function tensorOf(value: PickleValue | undefined): Built {
  if (!(value instanceof PickleTensor || value instanceof PickleOddTensor)) {
    throw new Error('builds a parameter of what is no tensor');
  }
  return value;
}

/** Checks the Python attributes of a tensor. They say nothing about its values, so they are dropped. */
export function checkState(state: PickleValue | undefined): void {
  const [attributes, slots = null] = state instanceof PickleTuple && state.items.length === 2 ? state.items : [state];
  const names = isMap(attributes) ? [...attributes.keys()] : null;
  if (!names?.every((name) => typeof name === 'string' && !OWN_ATTRIBUTES.test(name)) || slots !== null) {
    throw new Error('sets attributes of a tensor that are its own, or no attributes');
  }
}

export function odd(size: PickleValue | undefined, what: string, meter: ReadMeter): PickleOddTensor {
  const shape = counts(size) ?? [];
  meter.rank(shape.length);
  return new PickleOddTensor(shape, `has ${what} of shape [${shape.join(', ')}], which nothing here reads`);
}

/** Reads the persistent id of a storage: ('storage', type, key, device, elements) and, in old files, the range of a view. */
export function storageOf(id: PickleValue | undefined, legacy: boolean): PickleStorage {
  const items = id instanceof PickleTuple ? id.items : [];
  const [kind, type, key, device, count, view] = items;
  const elements = isCallable(type) && Object.hasOwn(STORAGES, type.global) ? type.elements : undefined;
  // Files before PyTorch 1.6 have a view beside; some of other writers leave it out.
  const whole =
    (items.length === 5 || (legacy && items.length === 6)) &&
    kind === 'storage' &&
    typeof key === 'string' &&
    typeof device === 'string';
  if (!whole || elements === undefined || !isCount(count)) {
    throw new Error('refers to something outside that is no storage');
  }
  if (view === undefined || view === null) {
    return new PickleStorage(key, elements, count);
  }
  const [name, start, size] = view instanceof PickleTuple && view.items.length === 3 ? view.items : [];
  if (typeof name !== 'string' || !isCount(start) || !isCount(size) || start + size > count) {
    throw new Error(`has a view of storage ${printable(key)} that is not within it`);
  }
  return new PickleStorage(key, elements, count, start, start + size);
}

export function expectArguments(name: string, args: readonly PickleValue[], least: number, most: number): void {
  if (args.length < least || args.length > most) {
    throw new Error(`calls ${name} with ${args.length} arguments`);
  }
}

/**
 * @param dtype the tensor's own, where the storage is untyped
 * @param metadata flags such as `neg`, which change the values when they are read
 */
function tensor(
  args: readonly PickleValue[],
  dtype: PickleValue | undefined,
  metadata: PickleValue | undefined,
  meter: ReadMeter,
): Built {
  const [storage, offset, size, stride] = args;
  const [shape, strides] = [counts(size), counts(stride)];
  meter.rank(shape?.length ?? 0);
  const fits =
    storage instanceof PickleStorage &&
    isCount(offset) &&
    shape !== null &&
    strides?.length === shape.length &&
    Number.isSafeInteger(sizeOf(shape.filter((n) => n > 0)));
  if (!fits) {
    throw new Error('builds a tensor of what is no storage, offset, shape and strides');
  }
  const elements = dtype === undefined ? storage : isCallable(dtype) && dtype.isDType ? dtype.elements : undefined;
  if (!elements) {
    throw new Error('builds a tensor of what is no dtype');
  }
  const scale = storage.itemBytes / elements.itemBytes;
  const [start, count] = [storage.start * scale, Math.floor(storage.end * scale)];
  const first = start + offset;
  const last = shape.includes(0) ? first - 1 : shape.reduce((n, d, i) => n + (d - 1) * (strides[i] ?? 0), first);
  const where = `has a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}] at element ${first} of a storage of ${count} elements`;
  if (last >= count || !Number.isInteger(start)) {
    throw new Error(where);
  }
  if (elements.dtype === null) {
    return odd(size, 'a complex, quantized or 8-bit float tensor', meter);
  }
  if (metadata !== undefined && metadata !== null && !isMap(metadata)) {
    throw new Error('builds a tensor with metadata that are no dictionary');
  }
  if (isMap(metadata) && metadata.size > 0) {
    return odd(size, 'a tensor whose values are conjugated or negated when they are read,', meter);
  }
  if (sizeOf(shape) > count && sizeOf(shape) * elements.itemBytes > MAX_EXPANDED) {
    return new PickleOddTensor(shape, `${where}, which is too large to be written out`);
  }
  return new PickleTensor(storage, elements.dtype, first, shape, strides);
}

/** Only floating-point tensors can have gradients: PyTorch refuses a file that says otherwise. */
function withGradient(tensor: Built, requires: PickleValue | undefined, hooks: PickleValue | undefined): Built {
  if (typeof requires !== 'boolean' || (hooks !== null && !isMap(hooks))) {
    throw new Error('builds a tensor with what is no gradient flag, or no hooks');
  }
  if (requires && tensor instanceof PickleTensor && !/^B?F/.test(tensor.dtype)) {
    throw new Error(`builds a tensor of ${tensor.dtype} with a gradient, which only floating-point numbers have`);
  }
  return tensor;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function counts(value: PickleValue | undefined): readonly number[] | null {
  const items = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : null;
  return items?.every(isCount) ? items : null;
}
