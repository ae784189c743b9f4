/** The host's work: encoding and submitting, and compiling, which must happen once. */

import { figure, table } from '../../common/table.ts';
import { EngineProcess, typeScript } from '../engine_process.ts';
import { hostCost } from '../host_cost.ts';
import type { Options, ResultRow } from '../section.ts';

/** At most this much CPU time for each dispatch. */
const MICROSECONDS_A_DISPATCH = 10;

/** The result that commands/bench/pocket.ts prints. */
export interface CompileOnce {
  readonly openSeconds: number;
  readonly compileSeconds: number;
  /** Seconds of two iterations, the first time and again. */
  readonly firstSeconds: number;
  readonly secondSeconds: number;
  readonly afterOpen: number;
  readonly afterFirst: number;
  readonly afterSecond: number;
}

export async function host({ say, matches }: Options): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  const add = (row: Omit<ResultRow, 'section'>): void => {
    rows.push({ section: 'host', ...row } as ResultRow);
    say(`${row.name}: ${row.shown}`);
  };
  if (matches('encode and submit')) {
    const cost = await hostCost({ model: 'sd-turbo', size: [512, 512] });
    // CPU time: what else the machine does is none of the host's cost.
    const us = cost.cpuMicroseconds;
    add({
      name: 'encode and submit, sd-turbo 512², a dispatch',
      ok: us <= MICROSECONDS_A_DISPATCH,
      notes: us <= MICROSECONDS_A_DISPATCH ? [] : [`${figure(us)} µs, at most ${MICROSECONDS_A_DISPATCH} are asked`],
      shown: `${figure(us)} µs of CPU (${figure(cost.wallMicroseconds)} by the clock), ${cost.dispatches} dispatches`,
      asked: `≤ ${MICROSECONDS_A_DISPATCH} µs`,
      ...cost,
    });
  }
  if (matches('compile')) {
    const once = await compileOnce();
    const compiled = once.afterSecond - once.afterFirst;
    add({
      name: 'pipelines that a second generate compiles, pocket',
      ok: compiled === 0 && once.afterFirst > 0,
      notes: compiled === 0 ? [] : [`${compiled} pipelines, none is asked`],
      shown: `${compiled} (${once.afterFirst} by the first and its loading)`,
      asked: '0',
      ...once,
    });
    add({
      name: 'compiling all kernels of pocket, in parallel, driver cache off',
      ok: once.compileSeconds > 0,
      notes: [],
      shown: `${figure(once.compileSeconds)} s of ${figure(once.openSeconds)} s to open`,
      asked: '',
      ...once,
    });
    const late = once.firstSeconds - once.secondSeconds;
    add({
      // lavapipe makes machine code when a pipeline is first used, one after another.
      name: 'what the driver compiles in the first iteration, pocket, cache off',
      ok: Number.isFinite(late),
      notes: [],
      shown: `${figure(late)} s (two iterations: ${figure(once.firstSeconds)} s, then ${figure(once.secondSeconds)} s)`,
      asked: '',
      ...once,
    });
  }
  return rows;
}

/** In a process of its own: what an earlier part compiled must not count, nor what Mesa keeps on disk. */
async function compileOnce(): Promise<CompileOnce> {
  const child = new EngineProcess(typeScript('commands/bench/pocket.ts', { MESA_SHADER_CACHE_DISABLE: 'true' }));
  try {
    return await child.ask<CompileOnce>({ ask: 'extra', name: 'compile' });
  } finally {
    child.close();
  }
}

export function hostTable(rows: readonly ResultRow[]): string[] {
  return table(
    ['host', 'value', 'asked', ''],
    rows.map((row) => [row.name, String(row.shown), String(row.asked), row.ok ? 'ok' : 'SHORT']),
  );
}
