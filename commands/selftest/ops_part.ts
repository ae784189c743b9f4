/** Part `ops`: every op of the registry on this adapter beside the f64 reference, values and gradients. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import '../../src/kernels/index.ts';
import { deviceTests, inTurns } from '../../src/kernels/check/device_tests.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { allOps, type Op } from '../../src/tensor/op.ts';
import { MATRIX_VARIANT } from '../../src/tensor/tuning/kernel_check.ts';
import type { Part } from './part.ts';

/** Comparisons that `--quick` makes at most, spread over all ops. */
const QUICK_COUNT = 600;
interface Check {
  readonly op: string;
  readonly name: string;
  readonly bound: number;
  readonly run: () => Promise<number[] | null>;
}

interface Tally {
  checks: number;
  /** The largest error as a share of its bound. */
  worst: number;
  failures: string[];
}

export const opsPart: Part = {
  name: 'ops',
  title: 'Does every op compute rightly here?',
  limit: { full: 120, quick: 75 },
  run: async ({ adapter, quick, seconds, row }) => {
    const start = performance.now();
    using device = await openAdapter(adapter);
    const checks = inTurns([...allOps().values()].map((op) => checksOf(device, op)));
    const wanted = quick ? checks.slice(0, QUICK_COUNT) : checks;
    const tallies = new Map<string, Tally>(
      [...allOps().keys()].map((op) => [op, { checks: 0, worst: 0, failures: [] }]),
    );
    let reached = 0;
    for (const check of wanted) {
      if (performance.now() - start > seconds * 1000) {
        break;
      }
      reached++;
      const tally = tallies.get(check.op);
      if (tally) {
        await count(check, tally);
      }
      device.assertHealthy();
    }
    let compared = 0;
    for (const [op, { checks: n, worst, failures }] of tallies) {
      compared += n;
      const found = `${n} comparisons, errors of at most ${(100 * worst).toPrecision(2)} % of their bounds`;
      const shown = failures.length > 0 ? failures.join('; ') : n === 0 ? 'not reached' : found;
      row({ name: op, ok: failures.length === 0, shown, comparisons: n, worst, failures });
    }
    const rest = checks.length - reached;
    return `${compared} comparisons of ${tallies.size} ops were made${rest > 0 ? `; the time or count limit left ${rest} out` : ''}`;
  },
};

async function count({ name, bound, run }: Check, tally: Tally): Promise<void> {
  try {
    const errors = await run();
    if (!errors) {
      return; // The variant does not take the case on this adapter.
    }
    tally.checks += 1;
    const worst = errors.reduce((most, error) => (error <= most ? most : error), 0);
    tally.worst = Math.max(tally.worst, worst / bound);
    if (!errors.every((error) => error <= bound)) {
      tally.failures.push(`${name}: NMSE ${worst.toExponential(1)}, at most ${bound} is right`);
    }
  } catch (error) {
    tally.failures.push(`${name}: ${sentenceOf(error)}`);
  }
}

/** All comparisons of an op but those of its kernel for matrix units, which have a part of their own. */
const checksOf = (device: Device, op: Op): Check[] =>
  deviceTests(op)
    .filter(({ name }) => !name.startsWith(MATRIX_VARIANT))
    .map(({ name, bound, run }) => ({ op: op.name, name, bound, run: () => run(device) }));
