/** A long-lived Python process that reads the same files with PyTorch and safetensors (python/reference/fuzz_reader.py). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { Input } from './mutate.ts';
import type { Described } from './reading.ts';
import { joined } from './stored_zip.ts';

/** The reference's answer for one file. */
export interface Verdict {
  readonly ok: boolean;
  readonly error?: string;
  readonly tensors?: Readonly<Record<string, Described>>;
  /** Whether only a part of the reference could read it: a type that PyTorch does not have. */
  readonly partial?: boolean;
}

/** The environment variable that names a Python with torch and safetensors; without it `python3` is tried. */
export const PYTHON = 'RENO_FUZZ_PYTHON';

export class Reference {
  readonly #child: ChildProcess;
  #received: Buffer[] = [];
  #arrived: (() => void) | undefined;
  #ended = false;

  private constructor(python: string) {
    const script = join(PACKAGE_ROOT, 'python/reference/fuzz_reader.py');
    this.#child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#received.push(data);
      this.#arrived?.();
    });
    this.#child.on('close', () => {
      this.#ended = true;
      this.#arrived?.();
    });
    // A process that died is found where its answer is missing.
    this.#child.stdin?.on('error', () => undefined);
  }

  /** Starts the process, or returns null where there is no Python with torch and safetensors. */
  static start(): Reference | null {
    const python = process.env[PYTHON] ?? 'python3';
    if (python.includes('/') && !existsSync(python)) {
      throw new Error(`${PYTHON}: there is no ${python}`);
    }
    const found = spawnSync(python, ['-c', 'import torch, safetensors'], { stdio: 'ignore' });
    return found.status === 0 ? new Reference(python) : null;
  }

  send({ kind, bytes }: Input): void {
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, kind === 'safetensors' ? 0x73 : 0x70);
    head.setUint32(1, bytes.length, true);
    this.#child.stdin?.write(joined([new Uint8Array(head.buffer), bytes]));
  }

  /** Returns the next answer; null where the process died of the file. */
  async answer(): Promise<Verdict | null> {
    const head = await this.#take(4);
    const body = head && (await this.#take(head.readUInt32LE(0)));
    return body && (JSON.parse(body.toString()) as Verdict);
  }

  stop(): void {
    this.#child.stdin?.end();
  }

  async #take(length: number): Promise<Buffer | null> {
    for (;;) {
      const all = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
      if (all && all.length >= length) {
        this.#received = [all.subarray(length)];
        return all.subarray(0, length);
      }
      if (this.#ended) {
        return null;
      }
      this.#received = all ? [all] : [];
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
      this.#arrived = undefined;
    }
  }
}
