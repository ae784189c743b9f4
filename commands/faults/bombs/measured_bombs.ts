/** Reads each bomb in this process, and prints a line of JSON for it: node --expose-gc --import tsx commands/faults/bombs/measured_bombs.ts */
import { BOMBS } from './bombs.ts';

/** A bomb, and what reading it took. */
export interface Measured {
  readonly reader: string;
  readonly input: string;
  /** The sentence that refuses it; undefined where it is taken. */
  readonly refusal: string | undefined;
  /** Seconds of processor time, all threads together. */
  readonly seconds: number;
  /** Growth of the process since its start, at its largest: earlier inputs count too. */
  readonly mebibytes: number;
}

const start = process.memoryUsage().rss;
for (const { reader, input, make } of BOMBS) {
  const read = make();
  globalThis.gc?.();
  const time = process.cpuUsage();
  const refusal = await read().then(
    () => undefined,
    (error: unknown) => String(error instanceof Error ? error.message : error),
  );
  const { user, system } = process.cpuUsage(time);
  const mebibytes = process.resourceUsage().maxRSS / 1024 - start / 2 ** 20;
  const row: Measured = { reader, input, refusal, seconds: (user + system) / 1e6, mebibytes };
  console.log(JSON.stringify(row));
}
