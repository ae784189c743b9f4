/** The process of a server that a test starts and ends. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';

/** How a server says that it is ready, and what is said where it is not there. */
interface Startup {
  readonly name: string;
  readonly output: Readable;
  readonly ready: string;
  readonly missing: string;
}

/** A server's process; at most one runs at a time. It ends with this process at the latest. */
export class ServerProcess {
  #child: ChildProcess | null = null;

  /** Waits until a server that was spawned is ready. @throws Error, one sentence */
  async started(child: ChildProcess, { name, output, ready, missing }: Startup): Promise<void> {
    this.#child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    await new Promise<void>((resolve, reject) => {
      output.on('data', (text: Buffer) => {
        if (text.includes(ready)) {
          resolve();
        }
      });
      child.on('error', () => reject(new Error(missing)));
      child.on('exit', (code) => reject(new Error(`${name} ended with code ${code} before it was ready`)));
    });
  }

  /** Ends it by a signal, and waits until it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.on('exit', resolve));
      child.kill(signal);
      await gone;
    }
  }
}
