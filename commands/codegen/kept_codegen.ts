/** Keeps what GPUs' compilers made of the kernels that matter in docs/kernels/codegen.json, and compares kernels with it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import type { Revision } from '../common/revision.ts';
import { rounded } from '../common/table.ts';
import type { CodegenRow, PlanTotals } from './codegen_rows.ts';

/** A kernel that is kept. */
export type KeptRow = Omit<CodegenRow, 'statistics' | 'failure'>;

/** One model on one GPU. */
export interface KeptModel extends Revision, PlanTotals {
  readonly model: string;
  /** Height and width of the picture; null: those that the generator was trained at. */
  readonly size: readonly [number, number] | null;
  readonly gpu: string;
  /** Driver and version. */
  readonly driver: string;
  /** Time of the whole command, start of the process included. */
  readonly seconds: number;
  /** The time that it took of the CPU's cores. */
  readonly cpuSeconds: number;
  /** Its largest memory. */
  readonly peakBytes: number;
  /** Kernels with at least KEPT_SHARE of the arithmetic, the most first. */
  readonly rows: readonly KeptRow[];
}

/** A kernel matters from this share of an iteration's arithmetic on. */
export const KEPT_SHARE = 0.005;

/** Significant digits of the figures that are kept. */
const DIGITS = 5;

const FILE = join(PACKAGE_ROOT, 'docs/kernels/codegen.json');

export const keptModels = (): KeptModel[] => JSON.parse(readFileSync(FILE, 'utf8')) as KeptModel[];

/** Puts `model` in the place of the one that was kept for its name, size and GPU. @returns all that is kept */
export function keepModel({ rows, ...model }: Omit<KeptModel, 'rows'> & { rows: readonly CodegenRow[] }): KeptModel[] {
  const kept: KeptModel = {
    ...model,
    rows: rows
      .filter(({ share }) => share >= KEPT_SHARE)
      .map(({ statistics: _, failure: __, ...row }) => ({ ...row, share: Number(row.share.toFixed(5)) })),
  };
  const nameOf = (one: Pick<KeptModel, 'model' | 'size' | 'gpu'>): string => `${one.model} ${one.size} ${one.gpu}`;
  const before = keptModels();
  const known = before.some((one) => nameOf(one) === nameOf(kept));
  const all = known ? before.map((one) => (nameOf(one) === nameOf(kept) ? kept : one)) : [...before, kept];
  // A kernel is a line, so that a change of one is a change of one line.
  const models = all.map(({ rows: own, ...rest }) => {
    const lines = own.map((row) => `  ${JSON.stringify(row, rounded(DIGITS))}`).join(',\n');
    return `${JSON.stringify(rest, rounded(DIGITS)).slice(0, -1)},"rows":[\n${lines}\n]}`;
  });
  writeFileSync(FILE, `[\n${models.join(',\n')}\n]\n`);
  return all;
}

/** A kernel has lost a third of its waves at this factor. */
const FEWER_WAVES = 2 / 3;

/** At least this part of the arithmetic that was kept must be found again, or the comparison would say nothing. */
const FOUND_AGAIN = 0.75;

/**
 * Compares what the compiler makes of the kernels now with what was kept.
 * @returns a sentence for each kernel that begins to spill, spills more, loses a third of its waves or does not compile, and one
 * where the kernels are no longer those that were kept
 */
export function worseThanKept(kept: readonly KeptRow[], now: readonly CodegenRow[]): string[] {
  const before = byName(kept);
  const found: string[] = [];
  let again = 0;
  for (const [name, row] of byName(now)) {
    const old = before.get(name);
    again += old?.share ?? 0;
    if (row.failure !== undefined) {
      found.push(`${name} does not compile: ${row.failure}`);
    } else if (row.spilled > (old?.spilled ?? 0)) {
      found.push(`${name} spills ${row.spilled} registers, ${old?.spilled ?? 0} before`);
    }
    if (old && row.waves <= old.waves * FEWER_WAVES) {
      found.push(`${name} has ${row.waves} waves per SIMD, ${old.waves} before`);
    }
  }
  const all = kept.reduce((sum, { share }) => sum + share, 0);
  if (again < FOUND_AGAIN * all) {
    const part = Math.round((100 * again) / all);
    found.push(`only ${part} % of the arithmetic that was kept is found again: kernels have other names or shapes now`);
  }
  return found;
}

/** Rows by label and site; those of one label and site are numbered. */
function byName<Row extends Pick<KeptRow, 'label' | 'site'>>(rows: readonly Row[]): Map<string, Row> {
  const named = new Map<string, Row>();
  for (const row of rows) {
    const name = `${row.label} ${row.site}`;
    let number = 1;
    while (named.has(number === 1 ? name : `${name} #${number}`)) {
      number += 1;
    }
    named.set(number === 1 ? name : `${name} #${number}`, row);
  }
  return named;
}
