/**
 * An engine under measurement is a process of its own, which answers lines of JSON on stdin by lines on stdout that start
 * with "@ ". It only works while it is asked to, so that the one being timed has the machine.
 */
import { createInterface } from 'node:readline';
import { sizeOf } from '../../src/tensor/types.ts';
import type { Row } from './row.ts';
import { sampled, seeded } from './row.ts';

export type Arrays = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

/** A row made ready: inputs are where the engine wants them, and it has run once. */
export interface Prepared {
  /** Runs it `repeats` times and waits until the last is done. */
  run(repeats: number): Promise<void>;
  /** Results of the last run, in the row's layouts. */
  read(): Promise<Arrays>;
  release(): void | Promise<void>;
}

export interface Engine {
  /** @returns name and version, as the table shows them, and the adapter it runs on. */
  open(): Promise<{ readonly version: string; readonly adapter: string }>;
  /**
   * Makes a row ready by the engine's `attempt`-th way, fastest first: the first whose values are right is timed.
   * @throws Cannot when there is none (left).
   */
  prepare(row: Row, inputs: Arrays, attempt: number): Promise<Prepared>;
  /** Further questions by name, such as the adapter's peak. */
  readonly extra?: Readonly<Record<string, () => Promise<unknown>>>;
}

/** A row is out of this engine's reach; the message says why. */
export class Cannot extends Error {}

export type Request =
  | { readonly ask: 'open' }
  | { readonly ask: 'prepare'; readonly row: Row; readonly attempt: number }
  | { readonly ask: 'run'; readonly repeats: number }
  | { readonly ask: 'release' }
  | { readonly ask: 'extra'; readonly name: string };

/** Milliseconds a run, by the clock and of all threads together. */
export interface Time {
  readonly wall: number;
  readonly cpu: number;
}

/** Answers requests until stdin ends. */
export async function serve(engine: Engine): Promise<never> {
  let prepared: Prepared | null = null;
  const answer = async (request: Request): Promise<unknown> => {
    switch (request.ask) {
      case 'open':
        return engine.open();
      case 'prepare': {
        const { row } = request;
        const inputs = Object.fromEntries(
          Object.entries(row.inputs).map(([name, shape]) => [name, seeded(name, sizeOf(shape))]),
        );
        prepared = await engine.prepare(row, inputs, request.attempt);
        await prepared.run(1);
        const outputs = await prepared.read();
        return Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, sampled(values)]));
      }
      case 'run': {
        const start = performance.now();
        const before = process.cpuUsage();
        await prepared?.run(request.repeats);
        const { user, system } = process.cpuUsage(before);
        const wall = (performance.now() - start) / request.repeats;
        return { wall, cpu: (user + system) / 1000 / request.repeats } satisfies Time;
      }
      case 'release':
        await prepared?.release();
        prepared = null;
        return null;
      case 'extra':
        return engine.extra?.[request.name]?.();
    }
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line) as Request).then(
      (value) => ({ value: value ?? null }),
      (error: unknown) => ({
        error: error instanceof Error ? error.message : String(error),
        cannot: error instanceof Cannot,
      }),
    );
    process.stdout.write(`@ ${JSON.stringify(reply)}\n`);
  }
  // Dawn keeps the event loop alive.
  process.exit(0);
}
