/** The Vulkan layer of tools/codegen: builds it, and directs the Vulkan loader of this process to it and to a GPU that is not there. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

/** RADV's names of GPU families that its null device knows: RX 7900, RX 6800, Radeon VII, Instinct MI100. */
export const FAMILIES = ['navi31', 'navi21', 'vega20', 'mi100'] as const;

const RADV_MANIFESTS = [
  '/usr/share/vulkan/icd.d/radeon_icd.json',
  '/usr/share/vulkan/icd.d/radeon_icd.x86_64.json',
  '/etc/vulkan/icd.d/radeon_icd.json',
];

/** Compiles the layer into the user's cache. @throws Error, one sentence, where the compiler or Vulkan's headers are missing */
function buildLayer(): string {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'reno-webgpu', 'codegen');
  mkdirSync(folder, { recursive: true });
  const library = join(folder, 'libreno_codegen.so');
  const source = join(PACKAGE_ROOT, 'tools/codegen/null_layer.c');
  const built = spawnSync('cc', ['-O1', '-Wall', '-shared', '-fPIC', '-o', library, source], { encoding: 'utf8' });
  if (built.status !== 0) {
    const why = built.error ? built.error.message : (built.stderr.split('\n').find((line) => line !== '') ?? '');
    throw new Error(
      `tools/codegen/null_layer.c does not compile (${why}): a C compiler and Vulkan's headers are needed (Debian, Ubuntu: gcc libvulkan-dev)`,
    );
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
 * Makes Mesa's RADV driver compile for GPU family `gpu` (such as navi31) in this process, without that GPU. Call it before Dawn
 * opens its first adapter.
 * @param out file that gets a line of JSON for each pipeline, see tools/codegen/null_layer.c
 * @throws Error, one sentence, where RADV, a C compiler or Vulkan's headers are missing
 */
export function compileFor(gpu: string, out: string): void {
  const driver = RADV_MANIFESTS.find((path) => existsSync(path));
  if (!driver) {
    throw new Error(
      "Mesa's AMD driver (RADV) is not installed: it comes with mesa-vulkan-drivers on Debian and Ubuntu; up to version 25 it has the null device that this needs",
    );
  }
  const folder = buildLayer();
  Object.assign(process.env, {
    RENO_CODEGEN_OUT: out,
    VK_ADD_LAYER_PATH: folder,
    VK_INSTANCE_LAYERS: 'VK_LAYER_RENO_codegen',
    VK_DRIVER_FILES: driver,
    RADV_FORCE_FAMILY: gpu,
    MESA_SHADER_CACHE_DISABLE: '1',
  });
}
