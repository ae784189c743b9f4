/** Engines that take turns at one row: values are compared first, then times are taken. */

import { median } from '../common/table.ts';
import type { Request, Time } from './engine.ts';
import { type Command, EngineProcess, Refusal } from './process.ts';
import type { Row } from './row.ts';

export interface Racer {
  readonly name: string;
  readonly command: Command;
  process: EngineProcess;
  /** What it says of itself. */
  version: string;
}

/** Root of the mean squared difference, by that of the values: above this, two engines did not compute the same. */
const SAME = 1e-3;
const MOST_WAYS = 4;
/** A turn lasts at least this long, by repeating what is short. */
const TURN_MS = 200;
/** What all turns of one engine at one row may take; the slow ones get fewer turns. */
const ENGINE_MS = 20_000;
/** What a first run may take: lavapipe compiles jax-js's kernels of a whole iteration for minutes, one after another. */
const FIRST_RUN_MS = 1_800_000;
/** What a run may take, to be timed. */
const RUN_MS = 300_000;

type Samples = Readonly<Record<string, readonly number[]>>;

/** One engine's part in a race. */
export interface Entry {
  readonly racer: string;
  /** Medians; absent where it did not run. */
  readonly time?: Time;
  readonly turns?: number;
  /** Largest relative error of a result, against the first engine. */
  readonly error?: number;
  readonly samples?: Samples;
  /** Why it did not run, or what way it did not take. */
  readonly notes: readonly string[];
  /** It failed by itself, out of memory or wrong values included; false: it was never there. */
  readonly unable?: boolean;
}

/** @throws Refusal when it does not start. */
export async function start(name: string, command: Command): Promise<Racer> {
  const racer: Racer = { name, command, process: new EngineProcess(command), version: '' };
  await open(racer);
  return racer;
}

async function open(racer: Racer): Promise<void> {
  const { version } = await racer.process.ask<{ version: string }>({ ask: 'open' });
  racer.version = version;
}

/** A crash ends a process, not the benchmark. */
async function revived(racer: Racer): Promise<void> {
  if (!racer.process.alive) {
    racer.process = new EngineProcess(racer.command);
    await open(racer);
  }
}

/**
 * The first racer's values are what the others' are compared with; `between` runs before each round.
 * Medians over `rounds` turns.
 */
export async function race(
  racers: readonly Racer[],
  row: Row,
  rounds: number,
  between: () => Promise<void> = async () => {},
): Promise<Entry[]> {
  const runners: { racer: Racer; entry: Entry; repeats: number; turns: number; times: Time[] }[] = [];
  const entries = new Map<string, Entry>();
  let expected: Samples | undefined;
  for (const racer of racers) {
    const entry = await ready(racer, row, expected);
    entries.set(racer.name, entry);
    if (entry.samples) {
      expected ??= entry.samples;
      const wall = await firstTime(racer);
      if (typeof wall === 'string') {
        const note = `${racer.name}, timed after its first run: ${wall}`;
        entries.set(racer.name, { ...entry, notes: [...entry.notes, note], unable: true });
        continue;
      }
      const repeats = Math.max(1, Math.min(100, Math.ceil(TURN_MS / wall)));
      const turns = Math.max(1, Math.min(rounds, Math.floor(ENGINE_MS / (wall * repeats))));
      runners.push({ racer, entry, repeats, turns, times: [] });
    }
  }
  for (let round = 0; round < rounds; round++) {
    await between();
    for (const { racer, repeats, turns, times } of runners) {
      if (round < turns) {
        times.push(await racer.process.ask<Time>({ ask: 'run', repeats }));
      }
    }
  }
  for (const { racer, entry, times } of runners) {
    await racer.process.ask({ ask: 'release' });
    const time = { wall: median(times.map((t) => t.wall)), cpu: median(times.map((t) => t.cpu)) };
    entries.set(racer.name, { ...entry, time, turns: times.length });
  }
  return racers.map(({ name }) => entries.get(name) ?? { racer: name, notes: [] });
}

/** Milliseconds of one run, or how its process ended: stopped after RUN_MS, or crashed. */
async function firstTime(racer: Racer): Promise<number | string> {
  try {
    return (await racer.process.ask<Time>({ ask: 'run', repeats: 1 }, RUN_MS)).wall;
  } catch (error) {
    if (racer.process.alive || !(error instanceof Refusal)) {
      throw error;
    }
    return error.message;
  }
}

/** Tries an engine's ways until one gives the expected values. */
async function ready(racer: Racer, row: Row, expected: Samples | undefined): Promise<Entry> {
  const notes: string[] = [];
  for (let attempt = 0; attempt < MOST_WAYS; attempt++) {
    try {
      await revived(racer);
      const samples = await racer.process.ask<Samples>({ ask: 'prepare', row, attempt }, FIRST_RUN_MS);
      const error = expected ? largestError(expected, samples) : 0;
      if (error <= SAME) {
        return { racer: racer.name, samples, error, notes };
      }
      notes.push(`${racer.name}${way(attempt)}: wrong by ${(100 * error).toPrecision(2)} %`);
      await racer.process.ask({ ask: 'release' });
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(String(error), false);
      if (refusal.cannot) {
        if (attempt === 0) {
          notes.push(`${racer.name}: ${refusal.message}`);
        }
        break;
      }
      notes.push(`${racer.name}${way(attempt)}: ${refusal.message.split('\n')[0]?.slice(0, 160)}`);
      if (racer.process.alive) {
        await racer.process.ask({ ask: 'release' } satisfies Request);
      }
    }
  }
  return { racer: racer.name, notes, unable: true };
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
