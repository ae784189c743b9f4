/** Interruptions of a run from outside: a signal, or output that nobody reads any more. The run then keeps its results and ends. */
import { EXIT } from './exit_codes.ts';

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: EXIT.hangup } as const;

/** Calls `stop` once for each signal that ends a command. @param stop is given the exit code that says so */
export function onSignal(stop: (code: number) => void): void {
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.once(name, () => stop(code));
  }
}

export class Interruption implements Disposable {
  readonly #abort = new AbortController();
  readonly #listeners: (() => void)[] = [];
  #code: number | null = null;
  #what = '';
  #early: (() => void) | null;

  /** @param early called when there is no run yet that could be kept: it cleans up, and the process ends */
  constructor(early: () => void) {
    this.#early = early;
    for (const [name, code] of Object.entries(SIGNALS)) {
      this.#on(process, name, () => this.#end(code, name));
    }
    for (const [name, stream] of Object.entries({ stdout: process.stdout, stderr: process.stderr })) {
      this.#on(stream, 'error', () => this.#end(EXIT.pipe, `${name} is closed`));
    }
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The exit code of what ended the run; null when nothing did. */
  get code(): number | null {
    return this.#code;
  }

  /** The cause, such as SIGTERM. */
  get what(): string {
    return this.#what;
  }

  /** From now on there is a run: it ends by itself after a signal. */
  runs(): void {
    this.#early = null;
  }

  #end(code: number, what: string): void {
    if (this.#early || (this.#code !== null && code !== EXIT.pipe)) {
      this.#early?.();
      process.exit(code); // Before a run, or asked a second time: the last saved state stays.
    }
    this.#code ??= code;
    this.#what ||= what;
    this.#abort.abort();
  }

  #on(emitter: NodeJS.EventEmitter, event: string, listener: () => void): void {
    emitter.on(event, listener);
    this.#listeners.push(() => emitter.off(event, listener));
  }

  /** Lets signals end the process again. */
  [Symbol.dispose](): void {
    for (const remove of this.#listeners) {
      remove();
    }
  }
}
