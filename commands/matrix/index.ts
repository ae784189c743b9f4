/**
 * `npm run test:matrix`: checks the kernels for matrix units (variants `subgroup_matrix`) on an adapter that has them, or in a folder
 * of Debian sid, whose software driver has them: ops against the f64 reference, gradients, whole networks beside PyTorch, and the
 * pocket loop beside the same loop without matrix units.
 */
import { join } from 'node:path';
import { type Args, type Command, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import '../../src/kernels/index.ts';
import { valueTests } from '../../src/kernels/check/check_op.ts';
import { checkedInputs, runGradient, supported } from '../../src/kernels/check/run_case.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { openDevice } from '../../src/platform/node/open_device.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings/settings.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { allOps, type Op, variantNamed } from '../../src/tensor/op.ts';
import { MATRIX_VARIANTS } from '../../src/tensor/tuning/kernel_check.ts';
import { nmse } from '../../src/tensor/tuning/nmse.ts';
import { at } from '../../src/tensor/types.ts';
import { CASES, caseAt } from '../parity/cases/index.ts';
import { computed, distance, holds } from '../parity/golden.ts';
import { runInSid } from './chroot.ts';

const PARTS = ['ops', 'gradients', 'parity', 'pocket'] as const;
const VARIANT = 'subgroup_matrix';

export const command: Command = {
  meta: { name: 'matrix', description: 'Check the kernels for matrix units, without a GPU where there is none' },
  args: {
    only: { type: 'enum', options: [...PARTS], description: 'Only one part' },
    ops: { type: 'string', description: 'Only ops with these letters in their name', valueHint: 'text' },
    here: { type: 'boolean', description: 'Use the adapter of this machine, whatever it has' },
    ...jsonFlag,
  },
  run: matrix,
};

interface Row {
  readonly part: (typeof PARTS)[number];
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** Errors or distances that were measured, or why there are none. */
  readonly found: string;
}

async function matrix(args: Args): Promise<number> {
  const device = await openDevice({ subgroupMatrix: true });
  device.kernelCheck = null; // This command checks more, and a wrong kernel should show.
  const matrices = device.caps.subgroupMatrices ?? [];
  if (matrices.length === 0 && !isSet(args, 'here')) {
    const flags = ['only', 'ops'].flatMap((name) =>
      textFlag(args, name) ? [`--${name}`, textFlag(args, name) ?? ''] : [],
    );
    return runInSid(['matrix', '--here', ...flags, ...(isSet(args, 'json') ? ['--json'] : [])]);
  }
  if (matrices.length === 0) {
    throw new Error(`${device.info.description} has no matrix units`);
  }
  const plain = await openDevice({ subgroupMatrix: false });
  const rows: Row[] = [];
  const run = async (part: Row['part'], name: string, work: () => Promise<{ ok: boolean; found: string } | null>) => {
    const start = performance.now();
    const result = await work().catch((error) => ({ ok: false, found: sentenceOf(error) }));
    if (result) {
      const row = { part, name, ...result, seconds: (performance.now() - start) / 1000 };
      rows.push(row);
      console.log(`${row.ok ? 'ok  ' : 'FAIL'} ${part.padEnd(9)} ${name}  ${row.found}  ${row.seconds.toFixed(1)} s`);
    }
  };
  const wants = (part: Row['part']): boolean => (textFlag(args, 'only') ?? part) === part;
  const ops = [...allOps().values()].filter(
    (op) => variantNamed(op, VARIANT) && op.name.includes(textFlag(args, 'ops') ?? ''),
  );
  for (const op of wants('ops') ? ops : []) {
    for (const test of valueTests(op).filter(({ name }) => name.startsWith(VARIANT))) {
      await run('ops', `${op.name} ${test.name}`, async () => {
        const errors = await test.run(device);
        return errors && { ok: errors.every((error) => error <= test.bound), found: shown(errors) };
      });
    }
  }
  for (const op of wants('gradients') ? ops : []) {
    for (const [index, c] of op.cases.entries()) {
      if (
        op.vjp &&
        checkedInputs(c).length > 0 &&
        MATRIX_VARIANTS.some((variant) => supported(device, op, c, variant))
      ) {
        await run('gradients', `${op.name} #${index} ${c.name ?? ''}`, () => gradient(device, plain, op, index));
      }
    }
  }
  for (const name of wants('parity') ? Object.keys(CASES) : []) {
    await run('parity', name, async () => {
      const golden = await caseAt(name, 'f16');
      const found = distance(await computed(device, golden), golden.expected);
      return {
        ok: holds(found, 'f16'),
        found: `NMSE ${found.nmse.toExponential(1)}, cosine ${found.cosine.toFixed(6)}`,
      };
    });
  }
  if (wants('pocket')) {
    for (const dtype of ['f16', 'f32'] as const) {
      await run('pocket', `four iterations, ${dtype}`, () => pocketLoop(device, plain, dtype));
    }
  }
  const failed = rows.filter(({ ok }) => !ok);
  const held = `${rows.length - failed.length} of ${rows.length} hold on ${device.info.description} with matrices of ${matrices
    .filter(({ component, result }) => component === 'f16' && result === 'f32')
    .map(({ m, n, k }) => `${m}x${n}x${k}`)
    .join(', ')}`;
  return finish(args, rows.length > 0 && failed.length === 0, rows.length > 0 ? held : 'nothing was checked', rows);
}

const shown = (errors: readonly number[]): string => `NMSE ${errors.map((e) => e.toExponential(1)).join(' ')}`;

/** f16 results of several products, one after another; and f32 results, whose products are as exact as f32's. */
const GRADIENT_BOUNDS = { f16: 5e-6, f32: 1e-11 } as const;
/** A case whose results in f16 alone cost more may have this many times the error that it has without matrix units. */
const GRADIENT_RATIO = 2;

async function gradient(device: Device, plain: Device, op: Op, index: number): Promise<{ ok: boolean; found: string }> {
  const errorsOn = async (each: Device): Promise<number[]> => {
    const { actual, expected } = await runGradient(each, op, at(op.cases, index));
    return expected.map((e, i) => nmse(at(actual, i), e));
  };
  const errors = await errorsOn(device);
  const bound = GRADIENT_BOUNDS[at(op.cases, index).inputs.some(({ dtype }) => dtype === 'f16') ? 'f16' : 'f32'];
  if (errors.every((error) => error <= bound)) {
    return { ok: true, found: shown(errors) };
  }
  const without = await errorsOn(plain);
  const holds = errors.every((error, i) => error <= Math.max(bound, GRADIENT_RATIO * at(without, i)));
  return { ok: holds, found: `${shown(errors)}; without matrix units ${shown(without)}` };
}

/** Largest relative difference of a loss between the loop with matrix units and without: both store f16, or f32. */
const LOSS_BOUNDS = { f16: 2e-3, f32: 1e-4 } as const;

async function pocketLoop(
  device: Device,
  plain: Device,
  dtype: 'f16' | 'f32',
): Promise<{ ok: boolean; found: string }> {
  const files = nodeFiles(join(PACKAGE_ROOT, 'weights/pocket'));
  const settings = { ...(await readSettings(files)), dtype };
  const losses: number[][] = [];
  let used = 0;
  for (const each of [device, plain]) {
    using reno = await Reno.open(each, 'pocket', files, settings);
    used = Math.max(
      used,
      reno.plan.schedule.steps.step.filter(({ dispatch }) => dispatch.label.includes(VARIANT)).length,
    );
    const { trajectory } = await reno.generate({ prompt: 'a photo of a red cat and a blue car', seed: 3, nIters: 4 });
    losses.push(trajectory.records.map(({ total }) => total));
  }
  const [ours = [], theirs = []] = losses;
  const worst = Math.max(...ours.map((loss, i) => Math.abs(loss / (theirs[i] ?? Number.NaN) - 1)));
  return {
    ok: used > 0 && worst <= LOSS_BOUNDS[dtype],
    found: `${used} dispatches on matrix units, losses within ${worst.toExponential(1)} of the loop without them`,
  };
}
