/** The driver's end of an engine's process: one question at a time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Request } from './serve_engine.ts';

const LIMIT = 600_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The command of an engine written in TypeScript; `file` is relative to the repository. */
export const typeScript = (file: string, env: Readonly<Record<string, string>> = {}): Command => ({
  command: process.execPath,
  args: ['--import', 'tsx', file],
  env,
});

/** An engine said no. */
export class Refusal extends Error {
  /** The engine has no way to do it, as opposed to having failed. */
  readonly cannot: boolean;

  constructor(message: string, cannot: boolean) {
    super(message);
    this.cannot = cannot;
  }
}

interface Reply {
  readonly value?: unknown;
  readonly error?: string;
  readonly cannot?: boolean;
}

export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  /** The last of what it wrote to stderr: what a crash leaves. */
  #said = '';
  #waiting: { resolve: (reply: Reply) => void } | null = null;
  #ended: string | null = null;

  constructor({ command, args, env = {} }: Command) {
    this.#child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr?.on('data', (chunk) => {
      this.#said = (this.#said + String(chunk)).slice(-2000);
    });
    // Writing to a process that has crashed is reported by its end.
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('close', (code, signal) => this.#end(signal ? `crashed (${signal})` : `ended with code ${code}`));
    this.#lines = createInterface({ input: this.#child.stdout ?? process.stdin });
    this.#lines.on('line', (line) => {
      if (line.startsWith('@ ')) {
        this.#answer(JSON.parse(line.slice(2)) as Reply);
      }
    });
  }

  get alive(): boolean {
    return this.#ended === null;
  }

  /**
   * @param limit milliseconds after which the engine is stopped.
   * @throws Refusal with the engine's own words, or those of its end.
   */
  async ask<T>(request: Request, limit = LIMIT): Promise<T> {
    if (this.#ended !== null) {
      throw new Refusal(this.#ended, false);
    }
    const timer = setTimeout(() => {
      this.#end(`took more than ${Math.round(limit / 1000)} s`);
      this.#child.kill('SIGKILL');
    }, limit);
    const reply = await new Promise<Reply>((resolve) => {
      this.#waiting = { resolve };
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    clearTimeout(timer);
    if (reply.error !== undefined) {
      throw new Refusal(reply.error, reply.cannot ?? false);
    }
    return reply.value as T;
  }

  close(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(reply);
  }

  #end(how: string): void {
    const last = this.#said.trim().split('\n').at(-1) ?? '';
    this.#ended ??= last === '' ? how : `${how}: ${last.slice(0, 200)}`;
    this.#answer({ error: this.#ended });
  }
}
