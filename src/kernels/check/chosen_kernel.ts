/** Chooses one kernel to look at: an op, a variant, and the shapes and attributes of one use of it. */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import { type Attrs, type Op, type OpSite, type Variant, variantNamed } from '../../tensor/op.ts';
import type { CaseInput, OpCase } from '../../tensor/op_case.ts';
import { supportedVariants } from '../../tensor/tuning/choose.ts';
import { at, type DType, type Shape, showType } from '../../tensor/types.ts';
import { dtypeOf, siteOfCase } from './run_case.ts';

/** One use of an op by a named variant. */
export interface ChosenKernel {
  readonly op: Op;
  readonly variant: Variant;
  /** The place among the op's cases of the one that `case` was made from. */
  readonly index: number;
  readonly case: OpCase;
  readonly site: OpSite;
}

/** The wishes of a reader; what is absent is chosen. */
export interface KernelWish {
  /** Name of the variant. Default: the first one that the adapter supports. */
  readonly variant?: string | undefined;
  /** Number of one of the op's cases. Default: the first one that the variant takes. */
  readonly index?: number | undefined;
  /** Shapes of the inputs in place of the case's. */
  readonly shapes?: readonly Shape[] | undefined;
  /** Attributes in place of the case's. */
  readonly attrs?: Attrs | undefined;
  /** Dtype of the inputs that are not integers, in place of the case's. */
  readonly dtype?: DType | undefined;
}

/** A wish that cannot be met. */
export class KernelWishError extends Error {}

/** Finds a kernel that is as wished. @throws KernelWishError, one sentence: no such variant or case, shapes that the op does not take, or an adapter that lacks what the variant needs */
export function chooseKernel(op: Op, wish: KernelWish, caps: DeviceCaps): ChosenKernel {
  const { variant: name } = wish;
  if (op.variants.length === 0 || op.isView) {
    throw new KernelWishError(`${op.name} only gives a buffer another shape: it has no kernel`);
  }
  if (name !== undefined && !variantNamed(op, name)) {
    throw new KernelWishError(
      `${op.name} has no variant "${name}"; its variants are ${op.variants.map((v) => v.name).join(', ')}`,
    );
  }
  for (const { index, case: c } of wishedCases(op, wish)) {
    const site = siteOfCase(op, c);
    const variant = supportedVariants(op, site, caps).find((one) => name === undefined || one.name === name);
    if (variant) {
      return { op, variant, index, case: c, site };
    }
  }
  const what = wish.shapes || wish.index !== undefined ? 'these shapes' : 'a case of the tests';
  throw new KernelWishError(
    `${name === undefined ? `${op.name} has no variant that takes` : `${op.name}.${name} cannot take`} ${what} on this adapter; try other shapes, dtype f16, or another adapter`,
  );
}

/** The cases that may be used, with the wished changes. */
function wishedCases(op: Op, { index, shapes, attrs, dtype }: KernelWish): Pick<ChosenKernel, 'index' | 'case'>[] {
  if (index !== undefined && index >= op.cases.length) {
    throw new KernelWishError(`there is no case ${index}: ${op.name} has ${op.cases.length} cases, numbered from 0`);
  }
  const all = op.cases.map((c, i) => ({ index: i, case: c }));
  const chosen = index === undefined ? all : [at(all, index)];
  const fitting = shapes ? chosen.filter(({ case: { inputs } }) => inputs.length === shapes.length) : chosen;
  if (shapes && fitting.length === 0) {
    const counts = [...new Set(chosen.map(({ case: { inputs } }) => inputs.length))].sort().join(' or ');
    throw new KernelWishError(`${shapes.length} shapes are given; ${op.name} takes ${counts} inputs`);
  }
  const changed = fitting.map(({ index: i, case: c }) => {
    const inputs = c.inputs.map((input, place): CaseInput => {
      const isFloat = input.dtype !== 'i32' && input.fill !== 'ids';
      return {
        ...input,
        ...(shapes ? { shape: at(shapes, place) } : {}),
        ...(dtype && isFloat ? { dtype } : {}),
      };
    });
    return { index: i, case: { ...c, inputs, attrs: { ...c.attrs, ...attrs } } };
  });
  const valid = changed.filter(({ case: c }) => problemOf(op, c) === null);
  if (valid.length === 0) {
    throw new KernelWishError(`${op.name} does not take this: ${problemOf(op, at(changed, 0).case)}`);
  }
  return valid;
}

function problemOf(op: Op, c: OpCase): string | null {
  try {
    siteOfCase(op, c);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Reads shapes such as `4096x320,320x1280`. @throws KernelWishError, one sentence */
export function parseShapes(text: string): number[][] {
  return text.split(',').map((part) => {
    const shape = part.trim();
    const sizes = shape.split('x').map(Number);
    if (!/^\d+(x\d+)*$/.test(shape) || sizes.some((size) => size < 1 || size > 2 ** 31)) {
      throw new KernelWishError(`"${shape}" is not a shape such as 64x320; shapes are separated by commas`);
    }
    return sizes;
  });
}

/** Reads a number of workgroups, such as `8x4`. @throws KernelWishError, one sentence */
export function parseWorkgroups(text: string): [number, number, number] {
  const [x = 1, y = 1, z = 1] = text.split('x').map(Number);
  if (!/^[1-9]\d{0,4}(x[1-9]\d{0,4}){0,2}$/.test(text) || Math.max(x, y, z) > 65535) {
    throw new KernelWishError(`"${text}" is not one to three counts below 65536, such as 8x4`);
  }
  return [x, y, z];
}

/** A case for people, such as `f16[4096,320] f32[320,640] {"stride":1}`. */
export function describeCase({ inputs, attrs }: OpCase): string {
  const types = inputs.map((input) => showType({ dtype: dtypeOf(input), shape: input.shape }));
  return `${types.join(' ')}${Object.keys(attrs).length > 0 ? ` ${JSON.stringify(attrs)}` : ''}`;
}
