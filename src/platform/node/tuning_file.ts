/** The tuning tables of `reno tune` in Node: a JSON file for each adapter in the user's cache. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { selfCheck } from '../../kernels/check/self_check.ts';
import type { Device } from '../../tensor/device/device.ts';
import { fnv1a } from '../../tensor/tuning/choose.ts';
import {
  parseTuning,
  sameAdapter,
  showTuning,
  type TunedAdapter,
  type TuningStore,
  type TuningTable,
  tunedAdapter,
  tuningOf,
  withChecks,
} from '../../tensor/tuning/tuning_table.ts';
import { sentenceOf } from '../sentence_of.ts';
import { systemCode } from './errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** XDG_CACHE_HOME, else what the system uses for caches. The XDG rules say that a relative path counts as unset. */
export function tuningFolder(env: Environment = process.env, home = homedir(), platform = process.platform): string {
  const xdg = env.XDG_CACHE_HOME;
  const system =
    platform === 'darwin'
      ? join(home, 'Library', 'Caches')
      : platform === 'win32'
        ? env.LOCALAPPDATA || join(home, 'AppData', 'Local')
        : join(home, '.cache');
  return join(xdg?.startsWith('/') ? xdg : system, 'reno-webgpu', 'tuning');
}

export interface TuningFiles extends TuningStore {
  pathOf(adapter: TunedAdapter): string;
}

type Warn = (sentence: string) => void;
const say: Warn = (sentence) => console.error(`reno: ${sentence}`);

/** @param fixed a file to use instead of the cache's, whatever the adapter */
export function tuningFiles(folder = tuningFolder(), fixed?: string, warn: Warn = say): TuningFiles {
  const pathOf = (adapter: TunedAdapter): string => {
    const name = `${adapter.vendor} ${adapter.architecture}`.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase();
    return fixed === undefined ? join(folder, `${name}-${fnv1a(JSON.stringify(adapter))}.json`) : resolve(fixed);
  };
  return {
    pathOf,
    load: async (adapter) => {
      const path = pathOf(adapter);
      try {
        const table = parseTuning(readFileSync(path, 'utf8'), path);
        if (!sameAdapter(table.adapter, adapter)) {
          throw new Error(`${path} is of another adapter or driver (${table.adapter.description})`);
        }
        return table;
      } catch (error) {
        if (systemCode(error) === 'ENOENT' && fixed === undefined) {
          return null;
        }
        const what = systemCode(error) === 'ENOENT' ? `${path} is not there` : sentenceOf(error);
        warn(`the tuning table is not used: ${what}; "reno tune" makes a new one`);
        return null;
      }
    },
    save: async (table) => {
      const path = pathOf(table.adapter);
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(temporary, showTuning(table));
        renameSync(temporary, path);
      } catch (error) {
        if (existsSync(temporary)) {
          rmSync(temporary);
        }
        throw new Error(`cannot keep the tuning table: ${sentenceOf(error)}; RENO_TUNING=file names another place`);
      }
    },
    clear: async (adapter) => rmSync(pathOf(adapter), { force: true }),
  };
}

/** RENO_TUNING: `off` (order alone decides), a file, or unset (the cache's file). */
export function tuningStore(warn: Warn = say, setting = process.env.RENO_TUNING): TuningFiles | null {
  return setting === 'off' ? null : tuningFiles(tuningFolder(), setting || undefined, warn);
}

/**
 * Gives a device what is known about the kernels on its adapter: their times, and results of checks. Kernels for matrix units
 * are checked before their first use, and the results are kept beside the times.
 */
export async function adoptTuning(device: Device, store = tuningStore(), warn: Warn = say): Promise<void> {
  const adapter = tunedAdapter(device);
  const table = (await store?.load(adapter)) ?? null;
  device.tuning = store ? tuningOf(adapter, table, store.pathOf(adapter)) : null;
  if (device.caps.subgroupMatrices) {
    // A file that is there and is no table of this adapter stays as it is.
    const isForeign = store && !table && existsSync(store.pathOf(adapter));
    const keep = store && !isForeign ? (checks: Checks) => keepChecks(store, adapter, checks) : async () => {};
    device.kernelCheck = selfCheck(device, { known: table?.checks ?? {}, keep, warn });
  }
}

type Checks = NonNullable<TuningTable['checks']>;

async function keepChecks(store: TuningFiles, adapter: TunedAdapter, checks: Checks): Promise<void> {
  const table = existsSync(store.pathOf(adapter)) ? await store.load(adapter) : null;
  await store.save(withChecks(adapter, table, checks));
}
