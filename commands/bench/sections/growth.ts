/** How time grows with the picture, the number of iterations and the batch: slopes of log time over log size. */

import { figure, table } from '../../common/table.ts';
import { EngineProcess, typeScript } from '../engine_process.ts';
import { pocketRow } from '../network/measured_networks.ts';
import { close, OURS, openEngines } from '../open_engines.ts';
import type { Row } from '../row.ts';
import type { Options, ResultRow } from '../section.ts';
import { takeTurns } from '../take_turns.ts';

/** How much steeper time may be than the work. Below it is welcome: what costs the same at any size shows there. */
const STEEPER = 0.15;

interface Point {
  readonly size: number;
  readonly ms: number;
  readonly flops: number;
}

/** Latents' sides: pictures of 64² to 192². */
const SIDES = [8, 12, 16, 24];
const BATCHES = [1, 2, 4, 8];

export async function growth({ rounds, say, matches }: Options): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  const add = (name: string, points: readonly Point[]): void => {
    rows.push(judged(name, points));
    say(`${name}: ${rows.at(-1)?.shown}`);
  };
  const { engines, missing } = await openEngines([OURS], say);
  const measured = async (row: Row, size: number): Promise<Point> => {
    const flops: number[] = [];
    const [entry] = await takeTurns(engines, row, rounds, async () => {
      flops.push((await engines[0]?.process.ask<number>({ ask: 'extra', name: 'flops' })) ?? Number.NaN);
    });
    if (!entry?.time) {
      throw new Error(`${row.name}: ${[...missing, ...(entry?.notes ?? [])].join('; ')}`);
    }
    return { size, ms: entry.time.wall, flops: flops[0] ?? Number.NaN };
  };
  try {
    if (matches('picture')) {
      const points: Point[] = [];
      for (const side of SIDES) {
        points.push(await measured(pocketRow(side, 1), (side * 8) ** 2));
      }
      add('pixels of the picture', points);
    }
    if (matches('batch')) {
      const points: Point[] = [];
      for (const batch of BATCHES) {
        points.push(await measured(pocketRow(8, batch), batch));
      }
      add('batch', points);
    }
  } finally {
    close(engines);
  }
  if (matches('iterations')) {
    const seconds = await loopSeconds();
    const points = Object.entries(seconds).map(([n, s]) => ({ size: Number(n), ms: 1000 * s, flops: Number(n) }));
    add('iterations of a run', points);
  }
  return rows;
}

async function loopSeconds(): Promise<Readonly<Record<string, number>>> {
  const child = new EngineProcess(typeScript('commands/bench/pocket.ts'));
  try {
    return await child.ask<Record<string, number>>({ ask: 'extra', name: 'loop' });
  } finally {
    child.close();
  }
}

function judged(name: string, points: readonly Point[]): ResultRow {
  const time = slope(points.map(({ size, ms }) => [size, ms]));
  const work = slope(points.map(({ size, flops }) => [size, flops]));
  const ok = time <= work + STEEPER;
  return {
    section: 'growth',
    name,
    ok,
    notes: ok ? [] : [`time grows with exponent ${figure(time)}, the work with ${figure(work)}`],
    exponent: time,
    workExponent: work,
    points,
    shown: points.map(({ size, ms }) => `${size}: ${figure(ms)} ms`).join(', '),
  };
}

/** Least squares of log y over log x. */
function slope(pairs: readonly (readonly [number, number])[]): number {
  const logs = pairs.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (i: 0 | 1): number => logs.reduce((n, pair) => n + pair[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const over = logs.reduce((n, [x, y]) => n + (x - mx) * (y - my), 0);
  return over / logs.reduce((n, [x]) => n + (x - mx) ** 2, 0);
}

export function growthTable(rows: readonly ResultRow[]): string[] {
  return table(
    ['pocket models', 'time', 'exponent', "the work's", ''],
    rows.map((row) => [
      row.name,
      String(row.shown),
      figure(Number(row.exponent)),
      figure(Number(row.workExponent)),
      row.ok ? 'ok' : 'SHORT',
    ]),
  );
}
