/** The kernel that the command line names: an op, a variant, and the shapes and attributes of one use of it. */
import type { ArgsDef } from 'citty';
import { type Args, countFlag, textFlag } from '../../src/cli/args.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { dtypeOf, siteOfCase } from '../../src/kernels/check/run_case.ts';
import '../../src/kernels/index.ts';
import { supportedVariants } from '../../src/tensor/choose.ts';
import type { DeviceCaps } from '../../src/tensor/device_caps.ts';
import { suggestion } from '../../src/tensor/nearest_names.ts';
import { type Attrs, allOps, type Op, type OpSite, type Variant, variantNamed } from '../../src/tensor/op.ts';
import type { CaseInput, OpCase } from '../../src/tensor/op_case.ts';
import { at, type DType, showType } from '../../src/tensor/types.ts';

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

/** One use of an op by a named variant. */
export interface ChosenKernel {
  readonly op: Op;
  readonly variant: Variant;
  /** The place among the op's cases of the one that `case` was made from. */
  readonly index: number;
  readonly case: OpCase;
  readonly site: OpSite;
}

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

/** Reads the flags of `kernelFlags`. @throws UsageError, one sentence: no such variant, case or attribute, shapes that the op does not take, or an adapter that lacks what the variant needs */
export function chosenKernel(op: Op, args: Args, caps: DeviceCaps): ChosenKernel {
  if (op.variants.length === 0 || op.isView) {
    throw new UsageError(`${op.name} only gives a buffer another shape: it has no kernel`);
  }
  const name = textFlag(args, 'variant');
  if (name !== undefined && !variantNamed(op, name)) {
    throw new UsageError(
      `${op.name} has no variant "${name}"; its variants are ${op.variants.map((v) => v.name).join(', ')}`,
    );
  }
  for (const { index, case: c } of wantedCases(op, args)) {
    const site = siteOfCase(op, c);
    const variant = supportedVariants(op, site, caps).find((one) => name === undefined || one.name === name);
    if (variant) {
      return { op, variant, index, case: c, site };
    }
  }
  const wish = textFlag(args, 'shape') || textFlag(args, 'case') ? 'these shapes' : 'a case of the tests';
  throw new UsageError(
    `${name === undefined ? `${op.name} has no variant that takes` : `${op.name}.${name} cannot take`} ${wish} on this adapter; try other shapes, --dtype f16, or another adapter`,
  );
}

/** The cases that may be used, with the changes of --shape, --attrs and --dtype. */
function wantedCases(op: Op, args: Args): Pick<ChosenKernel, 'index' | 'case'>[] {
  const index = countFlag(args, 'case', 0);
  if (index !== undefined && index >= op.cases.length) {
    throw new UsageError(`--case ${index}: ${op.name} has ${op.cases.length} cases, numbered from 0`);
  }
  const all = op.cases.map((c, i) => ({ index: i, case: c }));
  const chosen = index === undefined ? all : [at(all, index)];
  const shapes = shapesFlag(args);
  const fitting = shapes ? chosen.filter(({ case: { inputs } }) => inputs.length === shapes.length) : chosen;
  if (shapes && fitting.length === 0) {
    const counts = [...new Set(chosen.map(({ case: { inputs } }) => inputs.length))].sort().join(' or ');
    throw new UsageError(`--shape has ${shapes.length} shapes; ${op.name} takes ${counts} inputs`);
  }
  const dtype = textFlag(args, 'dtype') as DType | undefined;
  const changed = fitting.map(({ index: i, case: c }) => {
    const inputs = c.inputs.map((input, place): CaseInput => {
      const isFloat = input.dtype !== 'i32' && input.fill !== 'ids';
      return {
        ...input,
        ...(shapes ? { shape: at(shapes, place) } : {}),
        ...(dtype && isFloat ? { dtype } : {}),
      };
    });
    return { index: i, case: { ...c, inputs, attrs: { ...c.attrs, ...attrsFlag(op, args) } } };
  });
  const valid = changed.filter(({ case: c }) => problemOf(op, c) === null);
  if (valid.length === 0) {
    throw new UsageError(`${op.name} does not take this: ${problemOf(op, at(changed, 0).case)}`);
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

function shapesFlag(args: Args): number[][] | undefined {
  const text = textFlag(args, 'shape');
  return text?.split(',').map((shape) => {
    const sizes = shape.split('x').map(Number);
    if (!/^\d+(x\d+)*$/.test(shape) || sizes.some((size) => size < 1 || size > 2 ** 31)) {
      throw new UsageError(`--shape ${text}: "${shape}" is not a shape such as 64x320; shapes are separated by commas`);
    }
    return sizes;
  });
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

/** A case for people, such as `f16[4096,320] f32[320,640] {"stride":1}`. */
export function describeCase({ inputs, attrs }: OpCase): string {
  const types = inputs.map((input) => showType({ dtype: dtypeOf(input), shape: input.shape }));
  return `${types.join(' ')}${Object.keys(attrs).length > 0 ? ` ${JSON.stringify(attrs)}` : ''}`;
}
