/** Keeps measured times in the browser: IndexedDB holds a table for each adapter. A table that cannot be read counts as missing. */
import type { Device } from '../../tensor/device/device.ts';
import {
  checkTuning,
  sameAdapter,
  type TunedAdapter,
  type TuningStore,
  type TuningTable,
  tunedAdapter,
  tuningOf,
  withChecks,
} from '../../tensor/tuning/tuning_table.ts';
import { sentenceOf } from '../sentence_of.ts';
import { settled, withDatabase } from './indexed_db.ts';

const DATABASE = 'reno-webgpu';
const STORE = 'tuning';

function withStore<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return withDatabase(
    DATABASE,
    (database) => database.createObjectStore(STORE),
    (database) => settled(use(database.transaction(STORE, mode).objectStore(STORE))),
  );
}

const keyOf = (adapter: TunedAdapter): string => JSON.stringify(adapter);

export const tuningDatabase: TuningStore = {
  load: async (adapter) => {
    try {
      const kept = await withStore<unknown>('readonly', (store) => store.get(keyOf(adapter)));
      if (kept === undefined) {
        return null;
      }
      const table = checkTuning(kept, "this browser's tuning table");
      return sameAdapter(table.adapter, adapter) ? table : null;
    } catch (error) {
      console.warn(`the tuning table is not used: ${sentenceOf(error)}`);
      return null;
    }
  },
  save: async (table: TuningTable) => {
    await withStore('readwrite', (store) => store.put(table, keyOf(table.adapter)));
  },
  clear: async (adapter) => {
    await withStore('readwrite', (store) => store.delete(keyOf(adapter)));
  },
};

/**
 * Gives a device what is known about the kernels on its adapter: their times, and results of checks. Kernels for matrix units
 * are checked before their first use, and the results are kept beside the times.
 */
export async function adoptTuning(device: Device): Promise<void> {
  const adapter = tunedAdapter(device);
  const table = await tuningDatabase.load(adapter);
  device.tuning = tuningOf(adapter, table, 'this browser');
  if (device.caps.subgroupMatrices) {
    const { selfCheck } = await import('../../kernels/check/self_check.ts'); // Few adapters need it, so bundles load it then.
    device.kernelCheck = selfCheck(device, {
      known: table?.checks ?? {},
      keep: async (checks) => tuningDatabase.save(withChecks(adapter, await tuningDatabase.load(adapter), checks)),
      warn: (sentence) => console.warn(sentence),
    });
  }
}
