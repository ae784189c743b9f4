/** Checks for the Vulkan loader (libvulkan) and the drivers that it finds by their ICD manifests (Khronos, LoaderDriverInterface.md). */
import { dirname, join } from 'node:path';
import { type Finding, findLibrary, type Machine } from './machine.ts';

/** A driver as its manifest describes it. */
interface VulkanDriver {
  readonly manifest: string;
  /** The manifest's entry: a name that the linker looks up, or a path. */
  readonly library: string;
  /** The library's path; null where it is missing. */
  readonly found: string | null;
}

/** Folders the loader searches, in its order. */
function searchFolders({ env, home }: Machine): string[] {
  const list = (value: string | undefined, usual: string): string[] => (value || usual).split(':');
  const bases = [
    env.XDG_CONFIG_HOME || join(home, '.config'),
    ...list(env.XDG_CONFIG_DIRS, '/etc/xdg'),
    '/etc',
    env.XDG_DATA_HOME || join(home, '.local/share'),
    ...list(env.XDG_DATA_DIRS, '/usr/local/share:/usr/share'),
  ];
  return bases.map((base) => join(base, 'vulkan/icd.d'));
}

/** The manifests that VK_DRIVER_FILES (or its older name VK_ICD_FILENAMES) gives in place of the search. */
function forcedDrivers({ env }: Machine): { readonly variable: string; readonly paths: string[] } | null {
  const variable = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].find((name) => env[name]);
  return variable ? { variable, paths: (env[variable] ?? '').split(':').filter((path) => path !== '') } : null;
}

export function vulkanDrivers(machine: Machine): VulkanDriver[] {
  const manifestsIn = (folder: string): string[] =>
    machine
      .list(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name));
  const forced = forcedDrivers(machine)?.paths.flatMap((path) => (path.endsWith('.json') ? [path] : manifestsIn(path)));
  const paths = forced ?? searchFolders(machine).flatMap(manifestsIn);
  return [...new Set(paths)].flatMap((manifest) => {
    const library = libraryOf(machine.read(manifest));
    if (library === null) {
      return [];
    }
    const path = library.includes('/') && !library.startsWith('/') ? join(dirname(manifest), library) : library;
    return [{ manifest, library, found: findLibrary(machine, path) }];
  });
}

function libraryOf(text: string | null): string | null {
  return /"library_path"\s*:\s*"([^"]+)"/.exec(text ?? '')?.[1] ?? null;
}

export function checkVulkan(machine: Machine): Finding[] {
  const loader = findLibrary(machine, 'libvulkan.so.1');
  const findings: Finding[] = [
    loader
      ? { what: 'vulkan loader', value: loader, ok: true }
      : {
          what: 'vulkan loader',
          value: 'libvulkan.so.1 is not there',
          ok: false,
          note: 'install it: apt-get install -y libvulkan1 (Fedora: vulkan-loader)',
        },
  ];
  const forced = forcedDrivers(machine);
  const absent = forced?.paths.filter((path) => !machine.exists(path)) ?? [];
  if (forced && absent.length > 0) {
    const note = `unset ${forced.variable}, or give the manifest of a driver that is there`;
    findings.push({ what: forced.variable, value: `${absent.join(', ')} is not there`, ok: false, note });
  }
  const drivers = vulkanDrivers(machine);
  if (drivers.length === 0) {
    const note = "install a GPU vendor's Vulkan driver; docs/gpu.md says which package has it";
    findings.push({ what: 'vulkan drivers', value: 'there is no manifest of one', ok: false, note });
  }
  for (const { manifest, library, found } of drivers) {
    const note = `${library} is not there: install the package it belongs to, or remove the manifest`;
    findings.push({ what: 'vulkan driver', value: manifest, ok: found !== null, ...(found ? {} : { note }) });
  }
  return findings;
}
