/** Checks for NVIDIA's Vulkan driver on a host or in a container without a display. Sources: docs/gpu.md. */
import { type Finding, findLibrary, type Machine, pciGpus } from './machine.ts';
import { vulkanDrivers } from './vulkan.ts';

const KERNEL = '/proc/driver/nvidia/version';

export function hasNvidia(machine: Machine): boolean {
  return machine.exists(KERNEL) || machine.exists('/dev/nvidiactl') || pciGpus(machine).includes('10de');
}

function inContainer({ exists, env }: Machine): boolean {
  return exists('/.dockerenv') || exists('/run/.containerenv') || Boolean(env.KUBERNETES_SERVICE_HOST || env.container);
}

/** All findings about NVIDIA's driver; none where there is no NVIDIA GPU. */
export function checkNvidia(machine: Machine): Finding[] {
  return hasNvidia(machine)
    ? [kernelDriver(machine), ...devices(machine), ...capabilities(machine), vulkanDriver(machine), libraries(machine)]
    : [];
}

function kernelDriver(machine: Machine): Finding {
  const version = /Kernel Module(?: for \S+)?\s+(\d[\d.]*)/.exec(machine.read(KERNEL) ?? '')?.[1];
  return machine.exists(KERNEL)
    ? { what: 'nvidia kernel driver', value: version ?? 'loaded', ok: true }
    : {
        what: 'nvidia kernel driver',
        value: 'not loaded',
        ok: false,
        note: inContainer(machine)
          ? 'start the container with the GPU: docker run --gpus all'
          : "install NVIDIA's driver and load it (modprobe nvidia); nvidia-smi must list the GPU",
      };
}

function devices(machine: Machine): Finding[] {
  const what = 'nvidia devices';
  const nodes = machine.list('/dev').filter((name) => /^nvidia(\d+|ctl)$/.test(name));
  const denied = nodes.map((name) => `/dev/${name}`).filter((path) => !machine.usable(path));
  if (!nodes.includes('nvidiactl') || !nodes.some((name) => /\d$/.test(name))) {
    const note = inContainer(machine)
      ? 'start the container with the GPU: docker run --gpus all'
      : 'run nvidia-smi once as root, which makes /dev/nvidia*';
    return [{ what, value: '/dev/nvidiactl and /dev/nvidia0 are needed', ok: false, note }];
  }
  return denied.length > 0
    ? [
        {
          what,
          value: `${denied.join(', ')} cannot be opened`,
          ok: false,
          note: 'give this user read and write access',
        },
      ]
    : [{ what, value: nodes.map((name) => `/dev/${name}`).join(', '), ok: true }];
}

/** The driver's capabilities in a container: by default compute and utility, which is CUDA without Vulkan. */
function capabilities(machine: Machine): Finding[] {
  if (!inContainer(machine)) {
    return [];
  }
  const given = machine.env.NVIDIA_DRIVER_CAPABILITIES ?? '';
  const ok = given.split(',').some((word) => ['all', 'graphics'].includes(word.trim()));
  const note = 'start the container with -e NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility (or all)';
  return [{ what: 'nvidia capabilities', value: given || 'not set', ok, ...(ok ? {} : { note }) }];
}

function vulkanDriver(machine: Machine): Finding {
  const what = 'nvidia vulkan driver';
  const driver = vulkanDrivers(machine).find(({ library }) => /nvidia/i.test(library));
  if (driver?.found) {
    return { what, value: driver.found, ok: true };
  }
  return {
    what,
    value: driver ? `${driver.library} is not there` : 'no manifest (nvidia_icd.json) names it',
    ok: false,
    note: inContainer(machine)
      ? 'the container runtime brings it with the capability graphics, where the host has it'
      : "the compute-only driver packages lack it: install nvidia-vulkan-icd (Debian), the libnvidia-gl package of the driver's version (Ubuntu), or use NVIDIA's .run installer",
  };
}

/** The libraries that the driver is linked to: X11's and EGL's, even without a display. */
function libraries(machine: Machine): Finding {
  const needed = { 'libXext.so.6': 'libxext6', 'libEGL.so.1': 'libegl1' };
  const absent = Object.entries(needed).filter(([library]) => findLibrary(machine, library) === null);
  return {
    what: 'libraries it links to',
    value: absent.length === 0 ? 'are there' : `${absent.map(([library]) => library).join(', ')} not found`,
    ok: absent.length === 0,
    ...(absent.length === 0 ? {} : { note: `apt-get install -y ${absent.map(([, name]) => name).join(' ')}` }),
  };
}
