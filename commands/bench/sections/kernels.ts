/** Single kernels beside TensorFlow.js, jax-js, onnxruntime and PyTorch, and the adapter's own peak. */

import { median } from '../../../src/tensor/tuning/median.ts';
import { figure, table } from '../../common/table.ts';
import { close, ORT, OURS, openEngines, TORCH } from '../open_engines.ts';
import type { Row } from '../row.ts';
import { KERNEL_ROWS } from '../row.ts';
import type { Options, ResultRow } from '../section.ts';
import type { Entry } from '../take_turns.ts';
import { takeTurns } from '../take_turns.ts';

/** Libraries with gradients in JavaScript: the best of them is what we are measured by. */
const LIBRARIES = ['tfjs', 'jax-js'] as const;
/** At least this many times as fast as the best library, and as onnxruntime. */
const BY_LIBRARIES = 3;
const BY_ORT = 1.5;

export async function kernels({ rounds, say, matches }: Options): Promise<ResultRow[]> {
  const { engines, missing } = await openEngines([TORCH, OURS, ...LIBRARIES, ORT], say);
  const ours = engines.find((r) => r.name === OURS);
  const rows: ResultRow[] = [];
  try {
    for (const row of KERNEL_ROWS.filter(({ name }) => matches(name))) {
      const peaks: number[] = [];
      const entries = await takeTurns(engines, row, rounds, async () => {
        peaks.push((await ours?.process.ask<number>({ ask: 'extra', name: 'peak' })) ?? Number.NaN);
      });
      const result = judged(row, entries, median(peaks), missing);
      rows.push(result);
      say(`${row.name}: ${result.summary}`);
    }
  } finally {
    close(engines);
  }
  return rows;
}

function judged(row: Row, entries: readonly Entry[], peak: number, missing: readonly string[]): ResultRow {
  const wall = (name: string): number | undefined => entries.find((e) => e.engine === name)?.time?.wall;
  const rate = (name: string): number | undefined => {
    const ms = wall(name);
    return ms === undefined ? undefined : row.flops / ms / 1e6;
  };
  const ms = wall(OURS) ?? Number.NaN;
  const others = LIBRARIES.flatMap((name) => wall(name) ?? []);
  const libraries = others.length > 0 ? Math.min(...others) / ms : undefined;
  const ort = row.forward && wall(ORT) !== undefined ? (wall(ORT) ?? 0) / ms : undefined;
  const notes = [...missing, ...entries.flatMap((e) => e.notes)];
  const slow: string[] = [];
  if (libraries !== undefined && !(libraries >= BY_LIBRARIES)) {
    slow.push(`${figure(libraries)}× the best of tfjs and jax-js, ${BY_LIBRARIES}× is asked`);
  }
  if (ort !== undefined && !(ort >= BY_ORT)) {
    slow.push(`${figure(ort)}× onnxruntime, ${BY_ORT}× is asked`);
  }
  const engines = Object.fromEntries(
    entries.map(({ engine, time, turns, error, notes: said }) => [
      engine,
      { ms: time?.wall, cpuMs: time?.cpu, gflops: rate(engine), turns, error, notes: said },
    ]),
  );
  const summary =
    `${figure(ms)} ms, ${figure(rate(OURS))} GFLOP/s, ${figure((100 * (rate(OURS) ?? 0)) / peak)} % of the peak; ` +
    `${figure(libraries)}× tfjs/jax-js, ${figure(ort)}× onnxruntime`;
  return {
    section: 'kernels',
    name: row.name,
    ok: wall(OURS) !== undefined && slow.length === 0 && missing.length === 0,
    notes: [...slow, ...notes],
    summary,
    flops: row.flops,
    peak,
    engines,
    libraries,
    onnxruntime: ort,
  };
}

interface EngineFigures {
  readonly ms?: number;
  readonly gflops?: number;
}

export function kernelTable(rows: readonly ResultRow[]): string[] {
  const names = [OURS, ...LIBRARIES, ORT, TORCH];
  const head = ['ms (GFLOP/s)', ...names, 'peak', 'of peak', '× libraries', '× onnxruntime', ''];
  const lines = rows.map((row) => {
    const engines = row.engines as Readonly<Record<string, EngineFigures>>;
    const peak = Number(row.peak);
    return [
      row.name,
      ...names.map((name) => {
        const { ms, gflops } = engines[name] ?? {};
        return ms === undefined ? '–' : `${figure(ms)} (${figure(gflops)})`;
      }),
      figure(peak),
      `${figure((100 * (engines[OURS]?.gflops ?? Number.NaN)) / peak)} %`,
      figure(row.libraries as number | undefined),
      figure(row.onnxruntime as number | undefined),
      row.ok ? 'ok' : 'SHORT',
    ];
  });
  return table(head, lines);
}
