/** The parts of a machine that the checks read; tests make their own. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../weights/hub_cache.ts';

export interface Machine {
  readonly platform: string;
  readonly env: Environment;
  readonly home: string;
  exists(path: string): boolean;
  /** Whether this user may read and write. */
  usable(path: string): boolean;
  /** A text file; null where there is none. */
  read(path: string): string | null;
  /** Names in a folder, sorted; none where there is no such folder. */
  list(folder: string): string[];
}

export function thisMachine(): Machine {
  return {
    platform: process.platform,
    env: process.env,
    home: homedir(),
    exists: existsSync,
    usable: (path) => {
      try {
        accessSync(path, constants.R_OK | constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
    read: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return null;
      }
    },
    list: (folder) => {
      try {
        return readdirSync(folder).sort();
      } catch {
        return [];
      }
    },
  };
}

/** One line of the doctor's report. */
export interface Finding {
  readonly what: string;
  readonly value: string;
  readonly ok: boolean;
  /** Advice, or a consequence. */
  readonly note?: string;
}

/** The usual folders of shared libraries in distributions and container runtimes; LD_LIBRARY_PATH comes first. */
const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/lib64',
  '/usr/lib',
  '/lib',
  '/usr/local/lib',
  '/usr/local/nvidia/lib64',
];

/** Finds a shared library. @returns its path, or null */
export function findLibrary(machine: Machine, name: string): string | null {
  if (name.startsWith('/')) {
    return machine.exists(name) ? name : null;
  }
  const own = (machine.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  return [...own, ...LIBRARY_FOLDERS].map((folder) => join(folder, name)).find(machine.exists) ?? null;
}

/** PCI vendors of the display controllers (class 03): 10de NVIDIA, 1002 AMD, 8086 Intel. */
export function pciGpus(machine: Machine): string[] {
  const devices = '/sys/bus/pci/devices';
  const gpus = machine.list(devices).filter((name) => machine.read(`${devices}/${name}/class`)?.startsWith('0x03'));
  return gpus.map((name) => machine.read(`${devices}/${name}/vendor`)?.trim().replace('0x', '') ?? '');
}
