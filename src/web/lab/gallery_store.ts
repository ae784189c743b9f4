/** Pictures that were made on this page, kept in the browser: IndexedDB, newest first. */
import { settled, withDatabase } from '../../platform/browser/indexed_db.ts';
import type { RunSettings } from '../state/studio_state.ts';

/** A picture of the gallery. */
export interface Kept {
  /** Counts up. */
  readonly id: number;
  readonly settings: RunSettings;
  /** First and best picture as PNG. */
  readonly before: Blob;
  readonly best: Blob;
  readonly losses: { readonly before: number; readonly best: number };
  /** The adapter that computed it. */
  readonly adapter: string;
  /** ISO 8601. */
  readonly made: string;
}

const DATABASE = 'reno-gallery';
const STORE = 'pictures';
/** Older pictures make room. */
const MOST = 60;

function withStore<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => Promise<T>): Promise<T> {
  return withDatabase(
    DATABASE,
    (database) => database.createObjectStore(STORE, { keyPath: 'id', autoIncrement: true }),
    (database) => use(database.transaction(STORE, mode).objectStore(STORE)),
  );
}

/** All pictures, the newest first. */
export function keptPictures(): Promise<Kept[]> {
  return withStore('readonly', async (store) => ((await settled(store.getAll())) as Kept[]).reverse());
}

export function keepPicture(picture: Omit<Kept, 'id'>): Promise<void> {
  return withStore('readwrite', async (store) => {
    await settled(store.add(picture));
    const keys = await settled(store.getAllKeys());
    for (const old of keys.slice(0, Math.max(0, keys.length - MOST))) {
      await settled(store.delete(old));
    }
  });
}

/** @param id null: all of them */
export function deletePicture(id: number | null): Promise<void> {
  return withStore('readwrite', async (store) => {
    await settled(id === null ? store.clear() : store.delete(id));
  });
}
