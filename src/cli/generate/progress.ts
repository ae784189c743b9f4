/** The progress of a run: one redrawn line on a terminal, a plain line every ten iterations elsewhere. */
import type { IterationRecord, RewardInfo } from '../../reno/report/history.ts';
import { duration } from '../../reno/report/report.ts';

/** The output of progress. It is stderr, so that stdout has results only. */
export interface Terminal {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

export function stderrTerminal(): Terminal {
  return {
    isTTY: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 100,
    write: (text) => void process.stderr.write(text),
  };
}

/** Most cells of the bar, which takes the room beside the numbers. */
const BAR = 20;
/** Iterations from one plain line to the next. */
const PLAIN_EVERY = 10;

/** The place of an iteration in a search from many noises, such as `  ascent 2 (draw 17)`; empty in other methods. */
function placeOf({ chain, draw }: IterationRecord): string {
  if (draw === undefined) {
    return '';
  }
  return chain === undefined ? `  draw ${draw}` : `  ascent ${chain + 1} (draw ${draw})`;
}

export class Progress {
  readonly #terminal: Terminal;
  readonly #total: number;
  readonly #rewards: readonly RewardInfo[];
  #best = 0;
  #chain: number | undefined;
  /** The first iteration: drivers compile during it, so the time left is estimated from the others. */
  #first: IterationRecord | undefined;

  constructor(terminal: Terminal, total: number, rewards: readonly RewardInfo[]) {
    this.#terminal = terminal;
    this.#total = total;
    this.#rewards = rewards;
  }

  update(record: IterationRecord, isBest: boolean): void {
    const done = record.iteration + 1;
    this.#best = isBest ? record.iteration : this.#best;
    this.#first ??= record;
    const timed = record.iteration - this.#first.iteration;
    const left = ((record.seconds - this.#first.seconds) / Math.max(1, timed)) * (this.#total - done);
    const estimate = timed > 0 ? `${duration(left)} left` : `${duration(record.seconds)} so far`;
    const scores = this.#rewards.map(
      ({ name, offset }) => `${name} ${(offset - (record.losses[name] ?? 0)).toFixed(3)}`,
    );
    const time = done < this.#total ? estimate : `${duration(record.seconds)} in all`;
    const text = `${done}/${this.#total}${placeOf(record)}  ${scores.join('  ')}  best ${this.#best}  ${time}`;
    if (this.#terminal.isTTY) {
      const room = this.#terminal.columns - text.length - 2;
      const width = room < 5 ? 0 : Math.min(BAR, room);
      const filled = Math.round((width * done) / this.#total);
      const bar = width === 0 ? '' : `${'█'.repeat(filled)}${'░'.repeat(width - filled)} `;
      const line = `${bar}${text}`.slice(0, this.#terminal.columns - 1);
      this.#terminal.write(`\r${line}\x1b[K${done === this.#total ? '\n' : ''}`);
    } else if (record.iteration % PLAIN_EVERY === 0 || done === this.#total || record.chain !== this.#chain) {
      this.#terminal.write(`iteration ${text}\n`);
    }
    this.#chain = record.chain;
  }

  /** Ends the redrawn line when the run ended early. */
  close(last: IterationRecord | undefined): void {
    if (this.#terminal.isTTY && last && last.iteration + 1 < this.#total) {
      this.#terminal.write('\n');
    }
  }
}
