/** Checks for all GPUs: access to render nodes, memory, and whether the adapter is the machine's GPU. */
import type { Finding, Machine } from './machine.ts';
import { pciGpus } from './machine.ts';
import { hasNvidia } from './nvidia.ts';

/** Checks access to /dev/dri/renderD*, which Mesa's drivers (AMD, Intel) open. */
export function checkRenderNodes(machine: Machine): Finding[] {
  if (!pciGpus(machine).some((vendor) => vendor === '1002' || vendor === '8086')) {
    return [];
  }
  const what = 'render nodes';
  const nodes = machine.list('/dev/dri').filter((name) => name.startsWith('renderD'));
  const usable = nodes.filter((name) => machine.usable(`/dev/dri/${name}`));
  if (usable.length > 0) {
    return [{ what, value: usable.map((name) => `/dev/dri/${name}`).join(', '), ok: true }];
  }
  return nodes.length === 0
    ? [
        {
          what,
          value: '/dev/dri/renderD* is not there',
          ok: false,
          note: 'in a container, pass it in: --device /dev/dri',
        },
      ]
    : [
        {
          what,
          value: `/dev/dri/${nodes.join(', /dev/dri/')} cannot be opened`,
          ok: false,
          note: 'add this user to the group that owns them, usually render: usermod -aG render $USER, then log in again',
        },
      ];
}

/** Enough free bytes: opening and uploading need a few hundred MB, since tensors go in pieces; the GPU driver maps the rest. */
const ENOUGH_MEMORY = 2e9;

export function checkMemory(machine: Machine): Finding[] {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(machine.read('/proc/meminfo') ?? '')?.[1];
  if (kilobytes === undefined) {
    return [];
  }
  const bytes = Number(kilobytes) * 1024;
  const ok = bytes >= ENOUGH_MEMORY;
  const note = 'the pocket models run; for larger ones, end other programs';
  return [{ what: 'memory available', value: `${(bytes / 1e9).toFixed(1)} GB`, ok, ...(ok ? {} : { note }) }];
}

/** Checks whether a driver that runs on the CPU has taken the place of the GPU's own, which happens without a message. */
export function checkPicked(machine: Machine, software: boolean): Finding[] {
  const vendors = pciGpus(machine);
  const name = hasNvidia(machine)
    ? 'NVIDIA'
    : vendors.includes('1002')
      ? 'AMD'
      : vendors.includes('8086')
        ? 'Intel'
        : null;
  return software && name !== null
    ? [
        {
          what: 'GPU that is not used',
          value: name,
          ok: false,
          note: 'a software driver was picked in its place: mend what is marked above, or see VK_LOADER_DEBUG=driver reno devices',
        },
      ]
    : [];
}
