/**
 * The tests of an op, which follow from its definition: each variant against the reference, and the VJP against finite
 * differences. The house's own ops are tested by the same functions.
 */
import type { Device } from '../../tensor/device/device.ts';
import { interpret } from '../../tensor/interpreter.ts';
import type { Attrs, Op } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import { nmse } from '../../tensor/tuning/nmse.ts';
import { at } from '../../tensor/types.ts';
import { checkedInputs, gradientPair, runVariant, supported } from './run_case.ts';

/** One comparison that an op has passed. */
export interface OpCheck {
  /** The values that were compared, such as `naive #0 f32[3,5]` or `gradient #0 f32[3,5]`. */
  readonly name: string;
  /** The normalised mean squared error Σ(a−b)² / Σb² of each output, or of the gradient of each input. */
  readonly errors: readonly number[];
  /** The largest error that is allowed. */
  readonly bound: number;
}

/** A comparison that can be run. */
export interface OpTest<Context> {
  /** As in `OpCheck`. */
  readonly name: string;
  /** As in `OpCheck`. */
  readonly bound: number;
  /** Returns the errors; null where the variant does not take the case on this device. */
  readonly run: (context: Context) => Context extends Device ? Promise<number[] | null> : number[];
}

/** NMSE of kernels: f32 sums in another order, and f16 inputs that are rounded. */
const VALUE_BOUND = 1e-7;
const VALUE_BOUND_F16 = 1e-6;
/** NMSE of gradients: both sides are f64, and central differences leave about 1e-11. */
const GRADIENT_BOUND = 1e-10;

/** The largest error of a kernel that is allowed in a case. */
export const valueBound = (c: OpCase): number =>
  c.nmse ?? (c.inputs.some((i) => i.dtype === 'f16') ? VALUE_BOUND_F16 : VALUE_BOUND);

/** The comparisons of each variant with the reference, for each case. */
export function valueTests(op: Op): OpTest<Device>[] {
  /** The reference of the case that was compared last: its other variants come next, and it may take seconds to compute. */
  let known: { readonly case: OpCase; readonly expected: Float64Array[] } | null = null;
  return op.cases.flatMap((c, index) =>
    op.variants.map(({ name }) => ({
      name: `${name} #${index} ${showCase(c)}`,
      bound: valueBound(c),
      run: async (device) => {
        if (!supported(device, op, c, name)) {
          return null;
        }
        const { actual, outputs, feeds } = await runVariant(device, op, c, name);
        const { expected } = known?.case === c ? known : { expected: interpret(outputs, feeds) };
        known = { case: c, expected };
        return expected.map((e, i) => nmse(actual[i] ?? [], e));
      },
    })),
  );
}

/** The comparisons of the VJP with central differences, for each case, in f64 on the CPU; none for an op without VJP. */
export function gradientTests(op: Op): OpTest<void>[] {
  return op.cases.flatMap((c, index) =>
    op.vjp && checkedInputs(c).length > 0
      ? {
          name: `gradient #${index} ${showCase(c)}`,
          bound: GRADIENT_BOUND,
          run: () => {
            const { vjp, differences } = gradientPair(op, c);
            return vjp.map((gradient, i) => nmse(gradient, at(differences, i)));
          },
        }
      : [],
  );
}

/**
 * Tests an op on a device: every variant on each of its cases against its reference, and its VJP against finite differences.
 * Variants that do not take a case on this device are left out.
 * @returns what was compared
 * @throws Error, one sentence, when the op has no cases, no variant takes one of them, or a comparison fails
 */
export async function checkOp<A extends Attrs>(device: Device, op: Op<A>): Promise<OpCheck[]> {
  const any = op as unknown as Op;
  const checks: OpCheck[] = gradientTests(any).map((test) => ({ ...test, errors: test.run() }));
  const values = valueTests(any);
  for (const { run, ...test } of values) {
    const errors = await run(device);
    if (errors) {
      checks.push({ ...test, errors });
    }
  }
  if (op.cases.length === 0) {
    throw new Error(`op ${op.name} has no cases: list inputs and attributes to test it with`);
  }
  if (values.length > 0 && !op.isView && !checks.some(({ name }) => !name.startsWith('gradient '))) {
    throw new Error(`no variant of op ${op.name} takes any of its cases on this device`);
  }
  const failed = checks.filter(({ errors, bound }) => !errors.every((error) => error <= bound));
  const [first] = failed;
  if (first) {
    const worst = first.errors.find((error) => !(error <= first.bound)) ?? Number.NaN;
    throw new Error(
      `op ${op.name} fails ${failed.length} of ${checks.length} checks, the first is ${first.name}: ` +
        `its normalised mean squared error is ${worst.toPrecision(2)} and may be ${first.bound}`,
    );
  }
  return checks.map(({ name, errors, bound }) => ({ name, errors, bound }));
}

function showCase(c: OpCase): string {
  return c.name ?? c.inputs.map((i) => `${i.dtype ?? 'f32'}[${i.shape.join(',')}]`).join(' ');
}
