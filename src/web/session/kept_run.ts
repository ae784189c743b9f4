/**
 * The run that a browser keeps in IndexedDB, so that a reload or a closed tab loses nothing: its settings, its state, and its
 * pictures. The engine's worker writes it after each iteration; the page reads it when it opens.
 */
import { settled, withDatabase } from '../../platform/browser/indexed_db.ts';
import { sentenceOf } from '../../platform/sentence_of.ts';
import type { AdapterRecord, IterationRecord } from '../../reno/report/history.ts';
import { at } from '../../tensor/types.ts';
import {
  type EngineFacts,
  type Outcome,
  type RunSettings,
  type ShownFrame,
  type ShownRun,
  withMethodOf,
} from '../state/studio_state.ts';

const DATABASE = 'reno-studio';
const RUN = 'run';
const FRAMES = 'frames';
const CURRENT = 'current';
/** A tab that is closing gives its lock back within this time, also while its GPU is busy. */
const CLOSING_MS = 15_000;

/** The kept run without its pictures. */
export interface KeptRun {
  readonly settings: RunSettings;
  readonly size: EngineFacts['size'];
  readonly charted: EngineFacts['charted'];
  readonly adapter: AdapterRecord;
  readonly records: readonly IterationRecord[];
  readonly best: number;
  /** The result of `encodeRunState`, without frames; null before the first iteration has ended. */
  readonly state: Uint8Array<ArrayBuffer> | null;
  readonly paused: boolean;
  /** Whether best-of-N runs beside it. */
  readonly lanes: boolean;
  /** The result, when the run has ended. */
  readonly outcome: Outcome | null;
}

type Pixels = ShownFrame['pixels'];

function createStores(database: IDBDatabase): void {
  database.createObjectStore(RUN);
  database.createObjectStore(FRAMES);
}

/** Runs one transaction over both stores, and waits for its end. */
function transact<T>(
  mode: IDBTransactionMode,
  work: (run: IDBObjectStore, frames: IDBObjectStore) => Promise<T>,
): Promise<T> {
  return withDatabase(DATABASE, createStores, async (database) => {
    const transaction = database.transaction([RUN, FRAMES], mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB refused to write'));
    });
    // Together: where the work fails, the transaction is aborted too, and somebody must hear of it.
    const [result] = await Promise.all([work(transaction.objectStore(RUN), transaction.objectStore(FRAMES)), ended]);
    return result;
  });
}

/** Writes a run as it goes on. */
export class RunKeeper {
  #kept: KeptRun;
  #unsaved: { readonly iteration: number; readonly pixels: Pixels }[] = [];

  private constructor(kept: KeptRun) {
    this.#kept = kept;
  }

  /** Replaces the run that was kept before. */
  static async begin(facts: EngineFacts, settings: RunSettings, lanes: boolean): Promise<RunKeeper> {
    const { size, charted, adapter } = facts;
    const kept: KeptRun = {
      settings,
      size,
      charted,
      adapter,
      records: [],
      best: 0,
      state: null,
      paused: false,
      lanes,
      outcome: null,
    };
    await transact('readwrite', async (run, frames) => {
      await settled(frames.clear());
      await settled(run.put(kept, CURRENT));
    });
    return new RunKeeper(kept);
  }

  /** Goes on with the run that is kept. */
  static goOn(kept: KeptRun): RunKeeper {
    return new RunKeeper({ ...kept, paused: false });
  }

  /** Takes the picture of an iteration; `save` writes it. */
  add(iteration: number, pixels: Pixels): void {
    this.#unsaved.push({ iteration, pixels });
  }

  /** Writes what has changed, and the pictures since the last time, as one transaction. */
  async save(changes: Partial<Pick<KeptRun, 'records' | 'best' | 'state' | 'paused' | 'outcome'>>): Promise<void> {
    this.#kept = { ...this.#kept, ...changes };
    const [kept, unsaved] = [this.#kept, this.#unsaved.splice(0)];
    await transact('readwrite', async (run, frames) => {
      for (const { iteration, pixels } of unsaved) {
        await settled(frames.put(pixels, iteration));
      }
      await settled(run.put(kept, CURRENT));
    });
  }
}

/** Returns the run that is kept; null where there is none, or none can be kept. */
export async function readKeptRun(): Promise<KeptRun | null> {
  try {
    const kept = await transact('readonly', (run) => settled<KeptRun | undefined>(run.get(CURRENT)));
    return kept ? { ...kept, settings: withMethodOf(kept.settings) } : null;
  } catch (error) {
    console.info(`No run is kept: ${sentenceOf(error)}`);
    return null;
  }
}

/** Returns a kept run with its pictures, to be shown. */
export async function shownFromKept(kept: KeptRun): Promise<ShownRun> {
  const pixels = await transact('readonly', (_, frames) => settled<Pixels[]>(frames.getAll(null, kept.records.length)));
  return {
    source: 'live',
    settings: kept.settings,
    size: kept.size,
    charted: kept.charted,
    frames: kept.records.map((record, i) => ({ iteration: record.iteration, record, pixels: at(pixels, i) })),
    best: kept.best,
    outcome: kept.outcome,
  };
}

/** Whether this tab is the one that keeps runs: two tabs must not write the same run. Waits for a tab that is closing. */
export function keepsRuns(): Promise<boolean> {
  if (!navigator.locks) {
    return Promise.resolve(false);
  }
  return new Promise((resolve) => {
    navigator.locks
      .request('reno-kept-run', { signal: AbortSignal.timeout(CLOSING_MS) }, () => {
        resolve(true);
        return new Promise(() => {}); // Until the tab is closed.
      })
      .catch(() => resolve(false));
  });
}
