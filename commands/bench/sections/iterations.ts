/** Whole iterations (denoiser, decoder, image encoder; loss and gradient at the noise) beside jax-js and PyTorch. */

import { figure, table } from '../../common/table.ts';
import { iterationRows } from '../network/measured_networks.ts';
import { close, OURS, openEngines, TORCH } from '../open_engines.ts';
import type { Options, ResultRow } from '../section.ts';
import type { Entry } from '../take_turns.ts';
import { takeTurns } from '../take_turns.ts';

const JAX = 'jax-js';

export async function iterations({ rounds, say, matches }: Options): Promise<ResultRow[]> {
  const { engines, missing } = await openEngines([TORCH, OURS, JAX], say);
  const rows: ResultRow[] = [];
  try {
    for (const row of iterationRows().filter(({ name }) => matches(name))) {
      say(`${row.name}: first runs, minutes for jax-js where the driver has not compiled its kernels yet`);
      const entries = await takeTurns(engines, row, rounds);
      rows.push(judged(row.name, entries, missing));
      say(`${row.name}: ${rows.at(-1)?.shown}`);
    }
  } finally {
    close(engines);
  }
  return rows;
}

function judged(name: string, entries: readonly Entry[], missing: readonly string[]): ResultRow {
  const of = (engine: string): Entry | undefined => entries.find((e) => e.engine === engine);
  const seconds = (engine: string): number | undefined => {
    const wall = of(engine)?.time?.wall;
    return wall === undefined ? undefined : wall / 1000;
  };
  const cosines = Object.fromEntries(
    [TORCH, JAX].map((engine) => [engine, cosine(of(OURS)?.samples?.gradient, of(engine)?.samples?.gradient)]),
  );
  const ratio = (engine: string): number => (seconds(engine) ?? Number.NaN) / (seconds(OURS) ?? Number.NaN);
  return {
    section: 'iterations',
    name,
    // No ratio is asked of these: they hold when ours ran and agreed with whoever could run it.
    ok: seconds(OURS) !== undefined && missing.length === 0,
    notes: [...missing, ...entries.flatMap((e) => e.notes)],
    seconds: Object.fromEntries(entries.map((e) => [e.engine, seconds(e.engine)])),
    cpuSeconds: Object.fromEntries(entries.map((e) => [e.engine, e.time && e.time.cpu / 1000])),
    cosines,
    ratios: { [JAX]: ratio(JAX), [TORCH]: ratio(TORCH) },
    shown: `${figure(seconds(OURS))} s; ${figure(ratio(JAX))}× jax-js, ${figure(ratio(TORCH))}× PyTorch`,
  };
}

function cosine(a: readonly number[] | undefined, b: readonly number[] | undefined): number | undefined {
  if (!a || !b) {
    return undefined;
  }
  const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((n, v, i) => n + v * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

export function iterationTable(rows: readonly ResultRow[]): string[] {
  type Figures = Readonly<Record<string, number | undefined>>;
  const of = (row: ResultRow, key: string, name: string): number | undefined => (row[key] as Figures)[name];
  const head = ['seconds', OURS, JAX, TORCH, '× jax-js', '× PyTorch', 'cosine jax-js', 'cosine PyTorch', ''];
  return table(
    head,
    rows.map((row) => [
      row.name,
      ...[OURS, JAX, TORCH].map((name) => figure(of(row, 'seconds', name))),
      ...[JAX, TORCH].map((name) => figure(of(row, 'ratios', name))),
      ...[JAX, TORCH].map((name) => of(row, 'cosines', name)?.toFixed(7) ?? '–'),
      row.ok ? 'ok' : 'SHORT',
    ]),
  );
}
