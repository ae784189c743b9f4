/** The kernel that the command line names: an op, a variant, and the shapes and attributes of one use of it. */
import type { ArgsDef } from 'citty';
import { type Args, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import {
  type ChosenKernel,
  chooseKernel,
  KernelWishError,
  parseShapes,
} from '../../src/kernels/check/chosen_kernel.ts';
import '../../src/kernels/index.ts';
import type { DeviceCaps } from '../../src/tensor/device/device_caps.ts';
import { suggestion } from '../../src/tensor/nearest_names.ts';
import { type Attrs, allOps, type Op } from '../../src/tensor/op.ts';
import type { DType } from '../../src/tensor/types.ts';

export const kernelFlags = {
  variant: {
    type: 'string',
    description: 'Variant; default: the first one that this adapter supports',
    valueHint: 'name',
  },
  case: {
    type: 'string',
    description: 'Test case of the op (see `reno kernels show`); default: the first one that the variant takes',
    valueHint: 'n',
  },
  shape: {
    type: 'string',
    description: "Shapes of the inputs in place of the case's, such as 4096x320,320x1280",
    valueHint: 'shapes',
  },
  attrs: {
    type: 'string',
    description: "Attributes in place of the case's, such as '{\"stride\":2}'",
    valueHint: 'json',
  },
  dtype: {
    type: 'enum',
    options: ['f32', 'f16'],
    description: "Dtype of the inputs that are not integers, in place of the case's",
  },
} satisfies ArgsDef;

/** Finds the op of that name. @throws UsageError that names the nearest ones */
export function chosenOp(positionals: readonly string[], command: string): Op {
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0) {
    throw new UsageError(`${command} takes one op, such as: ${command} conv2d`);
  }
  const op = allOps().get(name);
  if (!op) {
    throw new UsageError(
      `there is no op "${name}" (${suggestion(name, allOps().keys())}); "reno kernels list" names all`,
    );
  }
  return op;
}

/** Runs `read`. @throws UsageError in place of a KernelWishError; `what` stands before its sentence */
export function fromWish<T>(read: () => T, what = ''): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof KernelWishError ? new UsageError(what + error.message) : error;
  }
}

/** Reads the flags of `kernelFlags`. @throws UsageError, one sentence: no such variant, case or attribute, shapes that the op does not take, or an adapter that lacks what the variant needs */
export function chosenKernel(op: Op, args: Args, caps: DeviceCaps): ChosenKernel {
  const shapes = textFlag(args, 'shape');
  const wish = {
    variant: textFlag(args, 'variant'),
    index: countFlag(args, 'case', 0),
    shapes: shapes === undefined ? undefined : fromWish(() => parseShapes(shapes), `--shape ${shapes}: `),
    attrs: attrsFlag(op, args),
    dtype: textFlag(args, 'dtype') as DType | undefined,
  };
  return fromWish(() => chooseKernel(op, wish, caps));
}

function attrsFlag(op: Op, args: Args): Attrs {
  const text = textFlag(args, 'attrs');
  if (text === undefined) {
    return {};
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`--attrs ${text} is not a JSON object such as {"stride":2}`);
  }
  const names = new Set(op.cases.flatMap(({ attrs }) => Object.keys(attrs)));
  const unknown = Object.keys(value).find((key) => !names.has(key));
  if (unknown !== undefined) {
    const known = [...names].join(', ') || 'none';
    throw new UsageError(`--attrs: ${op.name} has no attribute "${unknown}"; its attributes are ${known}`);
  }
  return value as Attrs;
}
