/** Ends the process, or fails, at every call of a publication over an older run, and looks at what the folder then shows. */

import type { LockSite } from '../../../src/cli/file_lock.ts';
import { RunStore } from '../../../src/cli/run_store/run_store.ts';
import { sentenceOf } from '../../../src/cli/usage_error.ts';
import { Crash, MemoryFileSystem } from './memory_file_system.ts';

/** How the process ends: killed (what was written stays), without power (what was not synced may be lost), or by an error. */
export type Ending = 'kill' | 'power' | 'error';

/** The result of an ending at one call. */
export interface Finding {
  readonly call: number;
  /** Null: everything held. */
  readonly problem: string | null;
}

const FOLDER = '/out';
const OLD = ['best.png', 'history.json', 'iterations/000.png', 'iterations/001.png', 'init.png'];
const NEW = [
  'init.png',
  'best.png',
  'strip.png',
  'iterations/000.png',
  'latents.safetensors',
  'history.json',
  'report.html',
];

/** Each process of the test has a number of its own, and those before it are gone. */
function site(pid: number): LockSite {
  return { host: 'here', pid, began: (other) => (other === pid ? 'now' : undefined) };
}

const content = (run: string, paths: readonly string[]): Map<string, Uint8Array> =>
  new Map(paths.map((path) => [path, new TextEncoder().encode(`${run} ${path} ${'x'.repeat(40)}`)]));

function prepared(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.makeFolder(FOLDER);
  using store = RunStore.open(FOLDER, fs, site(1));
  store.publish({ slot: 'run', key: 'old', complete: true, files: content('old', OLD) });
  return fs.restarted();
}

/** Runs the publication of the new run, whose process may end. */
function publishNew(fs: MemoryFileSystem): void {
  using store = RunStore.open(FOLDER, fs, site(2));
  store.publish({ slot: 'run', key: 'new', complete: true, files: content('new', NEW) });
}

/** The number of calls of a whole publication, opening and closing of the store included. */
export function callsOfPublication(): number {
  const fs = prepared();
  publishNew(fs);
  return fs.calls;
}

/** Ends a publication at call `call`. `random`: what a power failure loses. */
export function endAt(call: number, ending: Ending, random: () => number = () => 0.5): Finding {
  const fs = prepared();
  fs.onCall = (n) => (n === call ? (ending === 'error' ? 'fail' : 'crash') : 'run');
  let failed: unknown = null;
  try {
    publishNew(fs);
  } catch (error) {
    failed = error;
  }
  const crashed = ending !== 'error';
  if (crashed && failed !== null && !(failed instanceof Crash) && !String(sentenceOf(failed)).startsWith('cannot ')) {
    return { call, problem: `threw ${sentenceOf(failed)}` };
  }
  if (!crashed && failed !== null && !/: the disk is full(;|$)/.test(sentenceOf(failed))) {
    return { call, problem: `said "${sentenceOf(failed)}"` };
  }
  const left = ending === 'power' ? fs.afterPowerFailure(random) : fs.restarted();
  const shown = shownRuns(left);
  if (shown.broken.length > 0 || shown.runs.size > 1) {
    return { call, problem: `shows ${[...shown.runs].join(' and ')}; broken: ${shown.broken.join(', ') || 'none'}` };
  }
  try {
    using store = RunStore.open(FOLDER, left, site(3));
    const after = shownRuns(left);
    const isOld = store.has('run', 'old') && sameSet(after.paths, OLD);
    const isNew = store.has('run', 'new') && sameSet(after.paths, NEW);
    if (isOld === isNew || after.runs.size !== 1) {
      return { call, problem: `after opening: ${after.paths.join(', ')} of ${[...after.runs].join(' and ')}` };
    }
    if (failed === null && !isNew) {
      return { call, problem: 'was published and is gone' };
    }
    const rest = left.list(`${FOLDER}/.reno`).filter((name) => !/^(manifest-run\.json|lock)$/.test(name));
    if (rest.length > 0) {
      return { call, problem: `leaves ${rest.join(', ')}` };
    }
  } catch (error) {
    return { call, problem: `cannot be opened: ${sentenceOf(error)}` };
  }
  return { call, problem: null };
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

/** The files that a person sees, the runs that they belong to, and those that are not whole. */
function shownRuns(fs: MemoryFileSystem): { paths: string[]; runs: Set<string>; broken: string[] } {
  const seen = [...fs.files()].filter(([path]) => !path.startsWith(`${FOLDER}/.reno/`));
  const paths = seen.map(([path]) => path.slice(FOLDER.length + 1));
  const runs = new Set(seen.map(([, text]) => text.slice(0, 3)));
  const broken = seen.filter(
    ([path, text]) => !new RegExp(`^(old|new) ${path.slice(FOLDER.length + 1)} x{40}$`).test(text),
  );
  return { paths, runs, broken: broken.map(([path]) => path) };
}
