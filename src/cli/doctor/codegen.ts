/** Checks for what `reno kernels asm` and `reno kernels stats` need beside the adapter. */
import { join } from 'node:path';
import type { Finding, Machine } from './machine.ts';

/** Vulkan's header for layers; other distributions than Debian put it here too. */
const HEADERS = ['/usr/include/vulkan/vk_layer.h', '/usr/local/include/vulkan/vk_layer.h'];

/** Says whether a layer of Vulkan can be built. Nothing else needs it, so its absence is no problem. */
export function checkCodegen(machine: Machine): Finding[] {
  const folders = (machine.env.PATH ?? '').split(':').filter((folder) => folder !== '');
  const compiler = folders.map((folder) => join(folder, 'cc')).find(machine.exists);
  const headers = HEADERS.find(machine.exists);
  const missing = [...(compiler ? [] : ['cc']), ...(headers ? [] : ["Vulkan's headers"])];
  const note = `only "reno kernels asm" and "reno kernels stats" need ${missing.length > 1 ? 'them' : 'it'}: apt-get install -y gcc libvulkan-dev`;
  return [
    missing.length > 0
      ? { what: 'kernel statistics', value: `without ${missing.join(' and ')}`, ok: true, note }
      : { what: 'kernel statistics', value: `${compiler}, ${headers}`, ok: true },
  ];
}
