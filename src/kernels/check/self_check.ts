/** The check of kernels for matrix units on an adapter: each op's own cases against its reference, once, and remembered. */
import type { Device } from '../../tensor/device/device.ts';
import type { BufferRef } from '../../tensor/dispatch.ts';
import { assemble } from '../../tensor/kernel.ts';
import { allOps, type Op, type OpSite, variantNamed } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import { fnv1a } from '../../tensor/tuning/choose.ts';
import {
  type Checked,
  checkedName,
  type KernelCheck,
  MATRIX_VARIANT,
  MATRIX_VARIANTS,
} from '../../tensor/tuning/kernel_check.ts';
import { nmse } from '../../tensor/tuning/nmse.ts';
import { at, type TensorType } from '../../tensor/types.ts';
import { valueBound } from './check_op.ts';
import { runCase, siteOfCase, supported } from './run_case.ts';

/** The results of earlier checks on the same adapter and driver, and the function that keeps new ones. */
export interface CheckMemory {
  readonly known: Readonly<Record<string, Checked>>;
  readonly keep: (checks: Readonly<Record<string, Checked>>) => Promise<void>;
  /** Called with one sentence for each variant that is found wrong, and where results cannot be kept. */
  readonly warn: (sentence: string) => void;
}

const FORGET: CheckMemory = { known: {}, keep: async () => {}, warn: () => {} };

/** A variant of an op that is checked. */
interface Kernel {
  /** The name that `checkedName` makes. */
  readonly name: string;
  readonly op: Op;
  readonly variant: string;
}

/**
 * The check of a device's kernels for matrix units. What an earlier check found wrong is left out at once.
 * @param ops the ops to check: those of the registry that have such a variant, unless a test gives others
 */
export function selfCheck(
  device: Device,
  memory: CheckMemory = FORGET,
  ops: Iterable<Op> = allOps().values(),
): KernelCheck {
  const kernels = [...ops].flatMap((op) =>
    MATRIX_VARIANTS.filter((variant) => variantNamed(op, variant)).map(
      (variant): Kernel => ({ name: checkedName(op.name, variant), op, variant }),
    ),
  );
  const byName = new Map(kernels.map((kernel) => [kernel.name, kernel]));
  const problems = new Map<string, string | null>();
  const running = new Map<string, Promise<void>>();

  const settle = ({ name, op, variant }: Kernel, problem: string | null): void => {
    problems.set(name, problem);
    if (problem !== null) {
      device.leaveOut(op.name, variant);
    }
  };
  const check = async (kernel: Kernel): Promise<void> => {
    const { name, op, variant } = kernel;
    const cases = casesOf(device, kernel);
    const hash = hashOf(device, kernel, cases);
    const known = memory.known[name];
    if (known?.hash === hash) {
      settle(kernel, known.problem);
      return;
    }
    const problem = await problemOf(device, kernel, cases);
    settle(kernel, problem);
    if (problem !== null) {
      const operands = variant === MATRIX_VARIANT ? '' : ' with f32 operands';
      memory.warn(
        `the kernel of ${op.name} for matrix units${operands} is left out on ${nameOf(device)}, others take its place: ${problem}`,
      );
    }
    await memory.keep({ [name]: { hash, problem } }).catch((error) => memory.warn(sentence(error)));
    device.assertHealthy();
  };
  const ensureOne = (name: string): Promise<void> => {
    const kernel = byName.get(name);
    const begun = running.get(name) ?? (kernel ? check(kernel) : Promise.resolve());
    running.set(name, begun);
    return begun;
  };

  for (const kernel of kernels) {
    const known = memory.known[kernel.name];
    if (known && known.problem !== null && known.hash === hashOf(device, kernel, casesOf(device, kernel))) {
      settle(kernel, known.problem);
      running.set(kernel.name, Promise.resolve());
    }
  }
  return {
    kernels: [...byName.keys()],
    ensure: async (names) => {
      // One after another: CPU drivers compile such kernels for long, and a GPU that is lost should be lost by one of them.
      for (const name of names) {
        await ensureOne(name);
      }
    },
    problem: (name) => problems.get(name),
  };
}

/** The op's cases that the variant takes. */
const casesOf = (device: Device, { op, variant }: Kernel): OpCase[] =>
  op.cases.filter((c) => supported(device, op, c, variant));

const nameOf = ({ info }: Device): string => info.description || info.vendor || 'this adapter';

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The reason why the variant must not be used; null where it computes all cases rightly. */
async function problemOf(device: Device, kernel: Kernel, cases: readonly OpCase[]): Promise<string | null> {
  if (cases.length === 0) {
    return 'none of its test cases can run there';
  }
  // All at once, because drivers compile in parallel.
  const found = await Promise.all(cases.map((c) => caseProblem(device, kernel, c)));
  return found.find((problem) => problem !== null) ?? null;
}

async function caseProblem(device: Device, { op, variant }: Kernel, c: OpCase): Promise<string | null> {
  const name = `in the case "${c.name ?? ''}"`;
  const bound = valueBound(c);
  try {
    const { actual, expected } = await runCase(device, op, c, variant);
    device.assertHealthy();
    const errors = expected.map((e, i) => nmse(actual[i] ?? [], e));
    const wrong = errors.find((error) => !(error <= bound));
    return wrong === undefined
      ? null
      : `${name} its normalised mean squared error is ${wrong.toPrecision(2)} and may be ${bound}`;
  } catch (error) {
    return `${name} it does not run (${sentence(error)})`;
  }
}

/** Hash of the cases and of the kernels that they run. */
function hashOf(device: Device, { op, variant }: Kernel, cases: readonly OpCase[]): string {
  const kernels = cases.flatMap((c) => {
    const site = siteOfCase(op, c);
    const dispatches = variantNamed(op, variant)?.dispatches(site, device.caps) ?? [];
    return dispatches.map((dispatch) => {
      const types = dispatch.bindings.map(({ ref }) => typeOf(ref, site));
      return (
        assemble(dispatch, types, device.caps) +
        JSON.stringify([dispatch.overrides, dispatch.params, dispatch.workgroups])
      );
    });
  });
  return fnv1a([JSON.stringify(cases), ...new Set(kernels)].join('\n'));
}

const typeOf = (ref: BufferRef, { inputs, outputs }: OpSite): TensorType =>
  'scratch' in ref ? ref.type : 'input' in ref ? at(inputs, ref.input) : at(outputs, ref.output);
