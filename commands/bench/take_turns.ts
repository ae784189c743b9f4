/** Engines that take turns at one row: values are compared first, then times are taken. */

import { median } from '../../src/tensor/tuning/median.ts';
import { type Command, EngineProcess, Refusal } from './engine_process.ts';
import type { Row } from './row.ts';
import type { Request, Time } from './serve_engine.ts';

export interface RunningEngine {
  readonly name: string;
  readonly command: Command;
  process: EngineProcess;
  /** Name and version that the engine reports. */
  version: string;
}

/** Root of the mean squared difference, by that of the values: above this, two engines did not compute the same. */
const SAME = 1e-3;
const MOST_WAYS = 4;
/** A turn lasts at least this long, by repeating what is short. */
const TURN_MS = 200;
/** Time limit for all turns of one engine at one row; slow engines get fewer turns. */
const ENGINE_MS = 20_000;
/** Time limit for a first run: lavapipe compiles jax-js's kernels of a whole iteration for minutes, one after another. */
const FIRST_RUN_MS = 1_800_000;
/** Time limit for a run; an engine that takes longer is compared but not timed. */
const RUN_MS = 300_000;

type Samples = Readonly<Record<string, readonly number[]>>;

/** One engine's part in a comparison. */
export interface Entry {
  readonly engine: string;
  /** Medians; absent where it did not run. */
  readonly time?: Time;
  readonly turns?: number;
  /** Largest relative error of a result, against the first engine. */
  readonly error?: number;
  readonly samples?: Samples;
  /** Reasons why it did not run, or did not run its fastest way. */
  readonly notes: readonly string[];
  /** It failed by itself, out of memory or wrong values included; false: it was never there. */
  readonly unable?: boolean;
}

/** @throws Refusal when it does not start. */
export async function start(name: string, command: Command): Promise<RunningEngine> {
  const engine: RunningEngine = { name, command, process: new EngineProcess(command), version: '' };
  await open(engine);
  return engine;
}

async function open(engine: RunningEngine): Promise<void> {
  const { version } = await engine.process.ask<{ version: string }>({ ask: 'open' });
  engine.version = version;
}

/** A crash ends a process, not the benchmark. */
async function revived(engine: RunningEngine): Promise<void> {
  if (!engine.process.alive) {
    engine.process = new EngineProcess(engine.command);
    await open(engine);
  }
}

/**
 * The first engine's values are what the others' are compared with; `between` runs before each round.
 * Medians over `rounds` turns.
 */
export async function takeTurns(
  engines: readonly RunningEngine[],
  row: Row,
  rounds: number,
  between: () => Promise<void> = async () => {},
): Promise<Entry[]> {
  const runners: { engine: RunningEngine; entry: Entry; repeats: number; turns: number; times: Time[] }[] = [];
  const entries = new Map<string, Entry>();
  let expected: Samples | undefined;
  for (const engine of engines) {
    const entry = await ready(engine, row, expected);
    entries.set(engine.name, entry);
    if (entry.samples) {
      expected ??= entry.samples;
      const wall = await firstTime(engine);
      if (typeof wall === 'string') {
        const note = `${engine.name}, timed after its first run: ${wall}`;
        entries.set(engine.name, { ...entry, notes: [...entry.notes, note], unable: true });
        continue;
      }
      const repeats = Math.max(1, Math.min(100, Math.ceil(TURN_MS / wall)));
      const turns = Math.max(1, Math.min(rounds, Math.floor(ENGINE_MS / (wall * repeats))));
      runners.push({ engine, entry, repeats, turns, times: [] });
    }
  }
  for (let round = 0; round < rounds; round++) {
    await between();
    for (const { engine, repeats, turns, times } of runners) {
      if (round < turns) {
        times.push(await engine.process.ask<Time>({ ask: 'run', repeats }));
      }
    }
  }
  for (const { engine, entry, times } of runners) {
    await engine.process.ask({ ask: 'release' });
    const time = { wall: median(times.map((t) => t.wall)), cpu: median(times.map((t) => t.cpu)) };
    entries.set(engine.name, { ...entry, time, turns: times.length });
  }
  return engines.map(({ name }) => entries.get(name) ?? { engine: name, notes: [] });
}

/** Milliseconds of one run, or how its process ended: stopped after RUN_MS, or crashed. */
async function firstTime(engine: RunningEngine): Promise<number | string> {
  try {
    return (await engine.process.ask<Time>({ ask: 'run', repeats: 1 }, RUN_MS)).wall;
  } catch (error) {
    if (engine.process.alive || !(error instanceof Refusal)) {
      throw error;
    }
    return error.message;
  }
}

/** Tries an engine's ways until one gives the expected values. */
async function ready(engine: RunningEngine, row: Row, expected: Samples | undefined): Promise<Entry> {
  const notes: string[] = [];
  for (let attempt = 0; attempt < MOST_WAYS; attempt++) {
    try {
      await revived(engine);
      const samples = await engine.process.ask<Samples>({ ask: 'prepare', row, attempt }, FIRST_RUN_MS);
      const error = expected ? largestError(expected, samples) : 0;
      if (error <= SAME) {
        return { engine: engine.name, samples, error, notes };
      }
      notes.push(`${engine.name}${way(attempt)}: wrong by ${(100 * error).toPrecision(2)} %`);
      await engine.process.ask({ ask: 'release' });
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(String(error), false);
      if (refusal.cannot) {
        if (attempt === 0) {
          notes.push(`${engine.name}: ${refusal.message}`);
        }
        break;
      }
      notes.push(`${engine.name}${way(attempt)}: ${refusal.message.split('\n')[0]?.slice(0, 160)}`);
      if (engine.process.alive) {
        await engine.process.ask({ ask: 'release' } satisfies Request);
      }
    }
  }
  return { engine: engine.name, notes, unable: true };
}

const way = (attempt: number): string => (attempt === 0 ? '' : `, way ${attempt + 1}`);

function largestError(expected: Samples, found: Samples): number {
  const errors = Object.entries(expected).map(([name, values]) => {
    const others = found[name] ?? [];
    let squares = 0;
    let size = 0;
    values.forEach((value, i) => {
      squares += (value - (others[i] ?? Number.NaN)) ** 2;
      size += value ** 2;
    });
    return Math.sqrt(squares / size);
  });
  // A value that is not a number is as wrong as can be.
  return errors.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...errors);
}
