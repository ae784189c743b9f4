/**
 * A file system in memory that can fail at any call, end the process there, or lose power: then it forgets what was not synced,
 * as SQLite's crash tests do (sqlite.org/testing.html, "Crash Testing").
 */
import { posix } from 'node:path';
import type { FileSystem } from '../../../src/cli/run_store/file_system.ts';

/** The process ended at a call. */
export class Crash extends Error {}

interface File {
  bytes: Uint8Array;
  /** The bytes that are surely on the disk. */
  synced: Uint8Array;
}

/** A change of names; those that were not synced may or may not have happened when the power fails. */
interface NameChange {
  readonly folders: readonly string[];
  apply(names: Map<string, File>): void;
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

export class MemoryFileSystem implements FileSystem {
  /** Calls that change something, counted since the start. */
  calls = 0;
  /** Decides for each such call, by its number, what happens. */
  onCall: (call: number) => 'run' | 'crash' | 'fail' = () => 'run';
  /** The `code` of a call that fails. */
  failureCode = 'ENOSPC';
  #names = new Map<string, File>();
  #durable = new Map<string, File>();
  #folders = new Set<string>(['/']);
  #changes: NameChange[] = [];
  #open = new Map<number, File>();
  #next = 1;
  #crashed = false;

  /** The files by path. */
  files(): Map<string, string> {
    return new Map([...this.#names].map(([path, { bytes }]) => [path, new TextDecoder().decode(bytes)]));
  }

  /** The file system as the next process finds it: names and bytes as they were written. */
  restarted(): MemoryFileSystem {
    return this.#copied(this.#names, ({ bytes }) => bytes);
  }

  /** As `restarted` after a power failure; `random` (in [0, 1)) decides what of the unsynced is lost. */
  afterPowerFailure(random: () => number): MemoryFileSystem {
    const names = new Map(this.#durable);
    // Journalling file systems keep an order, others do not: half of the time each.
    const first = random() < 0.5 ? Math.floor(random() * (this.#changes.length + 1)) : null;
    this.#changes.forEach((change, i) => {
      if (first === null ? random() < 0.5 : i < first) {
        change.apply(names);
      }
    });
    return this.#copied(names, ({ bytes, synced }) => {
      if (bytes === synced || random() < 0.3) {
        return bytes;
      }
      return random() < 0.5 ? synced : bytes.slice(0, Math.floor(random() * bytes.length));
    });
  }

  #copied(names: ReadonlyMap<string, File>, content: (file: File) => Uint8Array): MemoryFileSystem {
    const next = new MemoryFileSystem();
    const copies = new Map<File, File>();
    for (const [path, file] of names) {
      const bytes = content(file);
      const copy = copies.get(file) ?? { bytes, synced: bytes };
      copies.set(file, copy);
      next.#names.set(path, copy);
    }
    next.#durable = new Map(next.#names);
    next.#folders = new Set(this.#folders);
    return next;
  }

  /** Counts a call. @returns whether it is the one at which the process ends, after a part of the work */
  #call(): boolean {
    if (this.#crashed) {
      throw new Crash();
    }
    const what = this.onCall(this.calls++);
    if (what === 'fail') {
      throw failure(this.failureCode);
    }
    this.#crashed = what === 'crash';
    return this.#crashed;
  }

  #change(change: NameChange): void {
    if (this.#call()) {
      throw new Crash();
    }
    change.apply(this.#names);
    this.#changes.push(change);
  }

  create(path: string): number {
    if (this.#names.has(path)) {
      throw failure('EEXIST');
    }
    this.#assertFolder(posix.dirname(path));
    const file: File = { bytes: new Uint8Array(), synced: new Uint8Array() };
    this.#change({ folders: [posix.dirname(path)], apply: (names) => void names.set(path, file) });
    this.#open.set(this.#next, file);
    return this.#next++;
  }

  write(handle: number, bytes: Uint8Array): void {
    const file = this.#file(handle);
    const ends = this.#call();
    file.bytes = ends ? bytes.slice(0, Math.floor(bytes.length / 2)) : bytes.slice();
    if (ends) {
      throw new Crash();
    }
  }

  sync(handle: number): void {
    const file = this.#file(handle);
    if (this.#call()) {
      throw new Crash();
    }
    file.synced = file.bytes;
  }

  close(handle: number): void {
    this.#open.delete(handle);
    if (this.#call()) {
      throw new Crash();
    }
  }

  syncFolder(path: string): void {
    this.#assertFolder(path);
    if (this.#call()) {
      throw new Crash();
    }
    const done = this.#changes.filter(({ folders }) => folders.includes(path));
    for (const change of done) {
      change.apply(this.#durable);
    }
    this.#changes = this.#changes.filter((change) => !done.includes(change));
  }

  rename(from: string, to: string): void {
    const file = this.#at(from);
    this.#assertFolder(posix.dirname(to));
    this.#change({
      folders: [posix.dirname(from), posix.dirname(to)],
      apply: (names) => {
        names.delete(from);
        names.set(to, file);
      },
    });
  }

  link(from: string, to: string): void {
    const file = this.#at(from);
    if (this.#names.has(to)) {
      throw failure('EEXIST');
    }
    this.#change({ folders: [posix.dirname(to)], apply: (names) => void names.set(to, file) });
  }

  unlink(path: string): void {
    this.#at(path);
    this.#change({ folders: [posix.dirname(path)], apply: (names) => void names.delete(path) });
  }

  makeFolder(path: string): void {
    if (this.#folders.has(path)) {
      throw failure('EEXIST');
    }
    this.#assertFolder(posix.dirname(path));
    if (this.#call()) {
      throw new Crash();
    }
    this.#folders.add(path);
  }

  removeFolder(path: string): void {
    this.#assertFolder(path);
    const inside = (other: string): boolean => other.startsWith(`${path}/`);
    if ([...this.#names.keys(), ...this.#folders].some(inside)) {
      throw failure('ENOTEMPTY');
    }
    if (this.#call()) {
      throw new Crash();
    }
    this.#folders.delete(path);
  }

  read(path: string): Uint8Array | null {
    return this.#names.get(path)?.bytes ?? null;
  }

  list(path: string): string[] {
    const all = [...this.#names.keys(), ...this.#folders].filter((p) => p !== '/' && posix.dirname(p) === path);
    return all.map((p) => posix.basename(p));
  }

  #at(path: string): File {
    const file = this.#names.get(path);
    if (!file) {
      throw failure('ENOENT');
    }
    return file;
  }

  #file(handle: number): File {
    const file = this.#open.get(handle);
    if (!file) {
      throw failure('EBADF');
    }
    return file;
  }

  #assertFolder(path: string): void {
    if (!this.#folders.has(path)) {
      throw failure('ENOENT');
    }
  }
}
