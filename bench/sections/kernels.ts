/** Single kernels beside TensorFlow.js, jax-js, onnxruntime and PyTorch, and the adapter's own peak. */
import { installPackages, pythonWithTorch } from '../peers/install.ts';
import { typeScript } from '../process.ts';
import type { Entry, Racer } from '../race.ts';
import { race, start } from '../race.ts';
import type { Row } from '../row.ts';
import { KERNEL_ROWS } from '../row.ts';
import type { Options, ResultRow } from '../section.ts';
import { figure, median, table } from '../section.ts';

const OURS = 'reno';
/** Libraries with gradients in JavaScript: the best of them is what we are measured by. */
const LIBRARIES = ['tfjs', 'jax-js'] as const;
const ORT = 'onnxruntime';
const TORCH = 'PyTorch CPU';
/** At least this many times as fast (issue 4). */
const BY_LIBRARIES = 3;
const BY_ORT = 1.5;

export async function kernels({ rounds, say, matches }: Options): Promise<ResultRow[]> {
  const { racers, missing } = await opened(say);
  const ours = racers.find((r) => r.name === OURS);
  const rows: ResultRow[] = [];
  try {
    for (const row of KERNEL_ROWS.filter(({ name }) => matches(name))) {
      const peaks: number[] = [];
      const entries = await race(racers, row, rounds, async () => {
        peaks.push((await ours?.process.ask<number>({ ask: 'extra', name: 'peak' })) ?? Number.NaN);
      });
      const result = judged(row, entries, median(peaks), missing);
      rows.push(result);
      say(`${row.name}: ${result.summary}`);
    }
  } finally {
    for (const { process } of racers) {
      process.close();
    }
  }
  return rows;
}

/** PyTorch first, where it is: its values are the ones to agree with. `missing`: why an engine is not there. */
async function opened(say: (line: string) => void): Promise<{ racers: Racer[]; missing: string[] }> {
  const racers: Racer[] = [];
  const missing: string[] = [];
  const attempt = async (name: string, work: () => Promise<Racer>): Promise<void> => {
    try {
      const racer = await work();
      say(`${name}: ${racer.version}`);
      racers.push(racer);
    } catch (error) {
      missing.push(`${name} is missing: ${error instanceof Error ? error.message : String(error)}`);
      say(missing.at(-1) ?? '');
    }
  };
  await attempt(TORCH, async () => {
    const command = await pythonWithTorch(say);
    return start(TORCH, { command, args: ['bench/peers/torch_cpu.py'] });
  });
  await attempt(OURS, () => start(OURS, typeScript('bench/peers/reno.ts')));
  for (const [name, file] of [
    ['tfjs', 'tfjs'],
    ['jax-js', 'jax'],
    [ORT, 'ort'],
  ] as const) {
    await attempt(name, async () => {
      await installPackages(say);
      return start(name, typeScript(`bench/peers/${file}.ts`));
    });
  }
  return { racers, missing };
}

function judged(row: Row, entries: readonly Entry[], peak: number, missing: readonly string[]): ResultRow {
  const wall = (name: string): number | undefined => entries.find((e) => e.racer === name)?.time?.wall;
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
    entries.map(({ racer, time, turns, error, notes: said }) => [
      racer,
      { ms: time?.wall, cpuMs: time?.cpu, gflops: rate(racer), turns, error, notes: said },
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
