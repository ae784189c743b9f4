/** The progress of a download: bytes, rate and time left; one redrawn line on a terminal, a line every 15 seconds elsewhere. */
import { duration } from '../../reno/report/report.ts';
import type { Terminal } from '../generate/progress.ts';

/** Milliseconds between two drawings. */
const REDRAW = 200;
const PLAIN_EVERY = 15_000;
/** The rate is an average over this many last milliseconds. */
const WINDOW = 10_000;

export class TransferLine {
  readonly #terminal: Terminal;
  readonly #total: number;
  readonly #now: () => number;
  /** Times and the bytes that had arrived by then, for the rate. */
  readonly #marks: { readonly time: number; readonly done: number }[];
  #done: number;
  #drawn: number;
  #what = '';

  /** @param done bytes that are here already. @param total all bytes. @param now a clock in milliseconds */
  constructor(terminal: Terminal, done: number, total: number, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#total = total;
    this.#now = now;
    this.#done = done;
    this.#marks = [{ time: now(), done }];
    this.#drawn = now();
  }

  /** Sets the name of the file that is being downloaded. */
  begin(what: string): void {
    this.#what = what;
  }

  add(bytes: number): void {
    const time = this.#now();
    this.#done += bytes;
    if (time - this.#drawn < (this.#terminal.isTTY ? REDRAW : PLAIN_EVERY)) {
      return;
    }
    this.#drawn = time;
    this.#marks.push({ time, done: this.#done });
    while ((this.#marks[1]?.time ?? time) < time - WINDOW) {
      this.#marks.shift();
    }
    const text = this.text(time);
    this.#terminal.write(this.#terminal.isTTY ? `\r${text.slice(0, this.#terminal.columns - 1)}\x1b[K` : `${text}\n`);
  }

  text(time: number): string {
    const [first = { time, done: this.#done }] = this.#marks;
    const rate = ((this.#done - first.done) / Math.max(time - first.time, 1)) * 1000;
    const left = rate > 0 ? `, ${duration((this.#total - this.#done) / rate)} left` : '';
    return `${size(this.#done)} of ${size(this.#total)}, ${size(rate)}/s${left}  ${this.#what}`;
  }

  /** Removes the redrawn line, so that the next output starts on an empty line. */
  close(): void {
    if (this.#terminal.isTTY) {
      this.#terminal.write('\r\x1b[K');
    }
  }
}

/** A number of bytes as text, in powers of 1000 as disks are sold. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
}
