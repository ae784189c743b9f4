/** The Vulkan layer of tools/codegen: builds it, and directs the Vulkan loader of this process to it and to the chosen GPU. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { EnumArgDef } from 'citty';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

/** GPUs that Mesa's null AMD device stands for, by RADV's name of the family. */
export const FAMILIES = {
  navi31: 'RX 7900, RDNA 3',
  navi33: 'RX 7600, RDNA 3',
  navi21: 'RX 6800, RDNA 2',
  navi10: 'RX 5700, RDNA 1',
  vega20: 'Radeon VII, GCN 5',
  vega10: 'RX Vega 64, GCN 5',
  mi100: 'Instinct MI100, CDNA 1',
  mi200: 'Instinct MI200, CDNA 2',
  gfx1150: 'Strix Point, RDNA 3.5',
  gfx1201: 'RX 9070, RDNA 4',
} as const;

/** The value of --gpu that means the adapter of this machine, and its own driver's compiler. */
export const THIS_GPU = 'this';

/** The flag --gpu. */
export const gpuFlag: EnumArgDef & { readonly description: string } = {
  type: 'enum',
  options: [...Object.keys(FAMILIES), THIS_GPU],
  description: `GPU family to compile for, which need not be here; "${THIS_GPU}" asks the driver of this machine's adapter`,
};

const SOURCE = join(PACKAGE_ROOT, 'tools/codegen/codegen_layer.c');

const RADV_MANIFESTS = [
  '/usr/share/vulkan/icd.d/radeon_icd.json',
  '/usr/share/vulkan/icd.d/radeon_icd.x86_64.json',
  '/etc/vulkan/icd.d/radeon_icd.json',
];

/** Compiles the layer into the user's cache, if it is not there. @throws Error, one sentence, where the compiler or Vulkan's headers are missing */
function buildLayer(): string {
  if (!existsSync(SOURCE)) {
    throw new Error(
      `${SOURCE} is not there: a kernel's registers and instructions are read in a clone of the repository`,
    );
  }
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'reno-webgpu', 'codegen');
  mkdirSync(folder, { recursive: true });
  const library = join(folder, 'libreno_codegen_layer.so');
  if (!existsSync(library) || statSync(library).mtimeMs < statSync(SOURCE).mtimeMs) {
    const built = spawnSync('cc', ['-O1', '-Wall', '-shared', '-fPIC', '-o', library, SOURCE], { encoding: 'utf8' });
    if (built.status !== 0) {
      const why = built.error ? built.error.message : (built.stderr.split('\n').find((line) => line !== '') ?? '');
      throw new Error(
        `tools/codegen/codegen_layer.c does not compile (${why}): a C compiler and Vulkan's headers are needed (Debian, Ubuntu: gcc libvulkan-dev)`,
      );
    }
  }
  const manifest = {
    file_format_version: '1.1.2',
    layer: {
      name: 'VK_LAYER_RENO_codegen',
      type: 'GLOBAL',
      library_path: library,
      api_version: '1.3.239',
      implementation_version: '1',
      description: 'Shows what compute pipelines compile to; commands do nothing',
      functions: { vkGetInstanceProcAddr: 'null_instance_proc', vkGetDeviceProcAddr: 'null_device_proc' },
    },
  };
  writeFileSync(join(folder, 'reno_codegen.json'), JSON.stringify(manifest));
  return folder;
}

/**
 * Puts the layer between this process and Vulkan's drivers, and makes Mesa's RADV driver compile for family `gpu` without that
 * GPU. Call it before Dawn opens its first adapter.
 * @param gpu a key of FAMILIES, or THIS_GPU
 * @param out file that gets lines of JSON, see tools/codegen/codegen_layer.c
 * @throws Error, one sentence, where RADV, a C compiler or Vulkan's headers are missing, or the system is not Linux
 */
export function useLayer(gpu: string, out: string): void {
  if (process.platform !== 'linux') {
    throw new Error(
      "a kernel's registers and instructions can be asked for on Linux only: a layer of Vulkan reads them",
    );
  }
  const driver = RADV_MANIFESTS.find((path) => existsSync(path));
  if (gpu !== THIS_GPU && !driver) {
    throw new Error(
      "Mesa's AMD driver (RADV) is not installed: it comes with mesa-vulkan-drivers on Debian and Ubuntu; Mesa 25 and older have the null device that this needs",
    );
  }
  Object.assign(process.env, {
    RENO_CODEGEN_OUT: out,
    VK_ADD_LAYER_PATH: buildLayer(),
    VK_INSTANCE_LAYERS: 'VK_LAYER_RENO_codegen',
    // A pipeline from the cache is not compiled, and says nothing.
    MESA_SHADER_CACHE_DISABLE: '1',
    __GL_SHADER_DISK_CACHE: '0',
    ...(gpu === THIS_GPU ? { RENO_CODEGEN_RUN: '1' } : { VK_DRIVER_FILES: driver, RADV_FORCE_FAMILY: gpu }),
  });
}
