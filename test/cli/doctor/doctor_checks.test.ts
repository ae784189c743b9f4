/** Each check of `reno doctor` on made-up machines: a whole one, and one for each thing that can be amiss. */
import { describe, expect, it } from 'vitest';
import { checkCodegen } from '../../../src/cli/doctor/codegen.ts';
import { checkMemory, checkPicked, checkRenderNodes } from '../../../src/cli/doctor/gpu.ts';
import { checkMachine } from '../../../src/cli/doctor/index.ts';
import type { Finding, Machine } from '../../../src/cli/doctor/machine.ts';
import { checkMatrixUnits } from '../../../src/cli/doctor/matrix_units.ts';
import { checkNvidia } from '../../../src/cli/doctor/nvidia.ts';
import { checkVulkan, vulkanDrivers } from '../../../src/cli/doctor/vulkan.ts';
import { GPU_CAPS, MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';

const LIB = '/usr/lib/x86_64-linux-gnu';
const ICD = '/usr/share/vulkan/icd.d';

interface Made {
  readonly env?: Record<string, string>;
  /** Files that are not there, of those of the whole machine. */
  readonly without?: readonly string[];
  readonly files?: Record<string, string>;
  /** Paths this user may not open. */
  readonly denied?: readonly string[];
}

function machineOf(files: Record<string, string>, { env = {}, denied = [] }: Made = {}): Machine {
  const paths = Object.keys(files);
  return {
    platform: 'linux',
    env,
    home: '/home/me',
    exists: (path) => paths.some((one) => one === path || one.startsWith(`${path}/`)),
    usable: (path) => paths.includes(path) && !denied.includes(path),
    read: (path) => files[path] ?? null,
    list: (folder) => {
      const inside = paths.filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))].sort();
    },
  };
}

const manifest = (library: string): string => JSON.stringify({ ICD: { library_path: library, api_version: '1.3' } });

/** An A100 host on which everything is in its place. */
const A100: Record<string, string> = {
  '/proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build',
  '/proc/meminfo': 'MemTotal: 100000000 kB\nMemAvailable:   90000000 kB\n',
  '/sys/bus/pci/devices/0000:00:05.0/class': '0x030200\n',
  '/sys/bus/pci/devices/0000:00:05.0/vendor': '0x10de\n',
  '/sys/bus/pci/devices/0000:00:03.0/class': '0x020000\n',
  '/sys/bus/pci/devices/0000:00:03.0/vendor': '0x8086\n',
  '/dev/nvidia0': '',
  '/dev/nvidiactl': '',
  '/dev/nvidia-uvm': '',
  [`${LIB}/libvulkan.so.1`]: '',
  [`${LIB}/libGLX_nvidia.so.0`]: '',
  [`${LIB}/libXext.so.6`]: '',
  [`${LIB}/libEGL.so.1`]: '',
  [`${ICD}/nvidia_icd.json`]: manifest('libGLX_nvidia.so.0'),
};
const CONTAINER = { '/.dockerenv': '' };

function a100(made: Made = {}): Machine {
  const files = Object.fromEntries(Object.entries(A100).filter(([path]) => !made.without?.includes(path)));
  return machineOf({ ...files, ...made.files }, made);
}

const problems = (findings: readonly Finding[]) => findings.filter(({ ok }) => !ok);

describe('a machine on which all is in its place', () => {
  it('has no problem, on the host and in a container', () => {
    expect(problems(checkMachine(a100()))).toEqual([]);
    const env = { NVIDIA_DRIVER_CAPABILITIES: 'graphics,compute,utility' };
    expect(problems(checkMachine(a100({ files: CONTAINER, env })))).toEqual([]);
    expect(problems(checkMachine(a100({ files: CONTAINER, env: { NVIDIA_DRIVER_CAPABILITIES: 'all' } })))).toEqual([]);
    expect(checkNvidia(a100()).map(({ value }) => value)).toEqual([
      '570.133.20',
      '/dev/nvidia0, /dev/nvidiactl',
      `${LIB}/libGLX_nvidia.so.0`,
      'are there',
    ]);
  });

  it('is not looked at on other systems, nor for NVIDIA where there is none', () => {
    expect(checkMachine({ ...a100(), platform: 'darwin' })).toEqual([]);
    expect(checkNvidia(machineOf({ '/proc/meminfo': '' }))).toEqual([]);
  });
});

describe('one thing amiss is one problem that says what to do', () => {
  it.each<[string, Made, string, RegExp, RegExp]>([
    [
      'no loader',
      { without: [`${LIB}/libvulkan.so.1`] },
      'vulkan loader',
      /libvulkan/,
      /apt-get install -y libvulkan1/,
    ],
    [
      'a forced driver that is not there',
      { env: { VK_ICD_FILENAMES: `/etc/none.json:${ICD}/nvidia_icd.json` } },
      'VK_ICD_FILENAMES',
      /^\/etc\/none\.json is not there/,
      /unset VK_ICD_FILENAMES/,
    ],
    [
      'a manifest without its library',
      { files: { [`${ICD}/other.json`]: manifest('libother.so') } },
      'vulkan driver',
      /other\.json/,
      /libother\.so is not there/,
    ],
    [
      'no kernel driver',
      { without: ['/proc/driver/nvidia/version'] },
      'nvidia kernel driver',
      /not loaded/,
      /modprobe nvidia/,
    ],
    ['no device nodes', { without: ['/dev/nvidia0'] }, 'nvidia devices', /are needed/, /nvidia-smi once as root/],
    [
      'device nodes of another user',
      { denied: ['/dev/nvidia0'] },
      'nvidia devices',
      /^\/dev\/nvidia0 cannot be opened/,
      /read and write access/,
    ],
    [
      'a container with CUDA only',
      { files: CONTAINER, env: { NVIDIA_DRIVER_CAPABILITIES: 'compute,utility' } },
      'nvidia capabilities',
      /^compute,utility$/,
      /-e NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility/,
    ],
    [
      'a container with no word about it',
      { files: CONTAINER },
      'nvidia capabilities',
      /not set/,
      /NVIDIA_DRIVER_CAPABILITIES/,
    ],
    ['no libXext', { without: [`${LIB}/libXext.so.6`] }, 'libraries it links to', /libXext/, /install -y libxext6$/],
    ['no libEGL', { without: [`${LIB}/libEGL.so.1`] }, 'libraries it links to', /libEGL/, /install -y libegl1$/],
    [
      'little memory',
      { files: { '/proc/meminfo': 'MemAvailable: 900000 kB\n' } },
      'memory available',
      /^0\.9 GB/,
      /end/,
    ],
  ])('%s', (_, made, what, value, note) => {
    expect(problems(checkMachine(a100(made)))).toEqual([
      { what, value: expect.stringMatching(value), ok: false, note: expect.stringMatching(note) },
    ]);
  });

  it('a compute-only driver, on a host and in a container', () => {
    const without = [`${ICD}/nvidia_icd.json`, `${LIB}/libGLX_nvidia.so.0`];
    const host = problems(checkNvidia(a100({ without })));
    expect(host.map(({ what }) => what)).toEqual(['nvidia vulkan driver']);
    expect(host[0]?.note).toMatch(/nvidia-vulkan-icd \(Debian\), the libnvidia-gl package/);
    const env = { NVIDIA_DRIVER_CAPABILITIES: 'all' };
    const inside = problems(checkNvidia(a100({ without, env, files: CONTAINER })));
    expect(inside.map(({ note }) => note)).toEqual([expect.stringMatching(/container runtime brings it.*graphics/)]);
    expect(problems(checkVulkan(a100({ without }))).map(({ value }) => value)).toEqual(['there is no manifest of one']);
  });

  it('a container that was given no GPU is told so', () => {
    const without = ['/proc/driver/nvidia/version', '/dev/nvidia0', '/dev/nvidiactl'];
    const notes = problems(checkNvidia(a100({ without, files: CONTAINER }))).map(({ note }) => note);
    expect(notes.filter((note) => note?.includes('docker run --gpus all')).length).toBe(2);
  });
});

describe('the drivers that the loader would find', () => {
  it('are those of its folders, or those it is told', () => {
    const files = {
      '/etc/vulkan/icd.d/a.json': manifest('/opt/a.so'),
      '/opt/a.so': '',
      '/home/me/.local/share/vulkan/icd.d/b.json': manifest('../../b.so'),
      '/home/me/.local/share/b.so': '',
      [`${ICD}/readme.txt`]: '',
      [`${ICD}/broken.json`]: '{',
    };
    const names = (env: Record<string, string>) =>
      vulkanDrivers(machineOf(files, { env })).map((driver) => [driver.manifest, driver.found]);
    const a = ['/etc/vulkan/icd.d/a.json', '/opt/a.so'];
    expect(names({})).toEqual([a, ['/home/me/.local/share/vulkan/icd.d/b.json', '/home/me/.local/share/b.so']]);
    expect(names({ VK_DRIVER_FILES: '/etc/vulkan/icd.d', VK_ICD_FILENAMES: '/none.json' })).toEqual([a]);
  });
});

describe('any GPU', () => {
  const amd = { '/sys/bus/pci/devices/1/class': '0x030000', '/sys/bus/pci/devices/1/vendor': '0x1002\n' };
  const node = { '/dev/dri/renderD128': '' };

  it('of AMD or Intel needs a render node that this user may open', () => {
    expect(checkRenderNodes(a100())).toEqual([]);
    expect(checkRenderNodes(machineOf({ ...amd, ...node }))).toEqual([
      { what: 'render nodes', value: '/dev/dri/renderD128', ok: true },
    ]);
    expect(checkRenderNodes(machineOf(amd))[0]?.note).toMatch(/--device \/dev\/dri/);
    expect(checkRenderNodes(machineOf({ ...amd, ...node }, { denied: ['/dev/dri/renderD128'] }))[0]).toMatchObject({
      ok: false,
      note: expect.stringMatching(/usermod -aG render/),
    });
  });

  it('is missed where a software driver was picked in its place', () => {
    expect(checkPicked(a100(), false)).toEqual([]);
    expect(checkPicked(machineOf({}), true)).toEqual([]);
    expect(checkPicked(a100(), true)).toMatchObject([{ value: 'NVIDIA', ok: false }]);
    expect(checkPicked(machineOf(amd), true)).toMatchObject([{ value: 'AMD' }]);
    expect(checkMemory(machineOf({}))).toEqual([]);
  });
});

describe('matrix units', () => {
  const passing = (problems: Readonly<Record<string, string>> = {}) => {
    const ensured: string[] = [];
    return {
      kernels: ['matmul', 'conv2d.subgroup_matrix_split'],
      ensure: async (kernels: readonly string[]) => void ensured.push(...kernels),
      problem: (kernel: string) => (ensured.includes(kernel) ? (problems[kernel] ?? null) : undefined),
    };
  };
  const { caps } = MATRIX_GPU;

  it('are named with the kernels that compute rightly on them', async () => {
    expect(await checkMatrixUnits({ caps, kernelCheck: passing() }, true)).toEqual({
      what: 'matrix units',
      value: 'f16 to f32 16x16x16',
      ok: true,
      note: 'used as 16x16x16, checked and right: matmul, conv2d.subgroup_matrix_split',
    });
    const one = passing({ matmul: 'in the case "odd" it does not run (no)' });
    expect((await checkMatrixUnits({ caps, kernelCheck: one }, true)).note).toBe(
      'used as 16x16x16, checked and right: conv2d.subgroup_matrix_split; matmul is left out: in the case "odd" it does not run (no)',
    );
  });

  it('are said to be off, absent or of no use', async () => {
    expect(await checkMatrixUnits({ caps: GPU_CAPS, kernelCheck: null }, false)).toMatchObject({ value: 'off' });
    expect(await checkMatrixUnits({ caps: GPU_CAPS, kernelCheck: null }, true)).toMatchObject({
      value: 'no',
      ok: true,
    });
    const changing = { ...caps, subgroupMinSize: 8 };
    const found = await checkMatrixUnits({ caps: changing, kernelCheck: passing() }, true);
    expect(found.note).toMatch(/^unused: /);
  });
});

describe('what the statistics of kernels need', () => {
  const tools = { '/usr/bin/cc': '', '/usr/include/vulkan/vk_layer.h': '' };
  const env = { PATH: '/usr/local/bin:/usr/bin' };
  const found = (files: Record<string, string>) => checkCodegen(machineOf(files, { env }))[0];

  it('is found', () => {
    expect(found(tools)).toMatchObject({ value: '/usr/bin/cc, /usr/include/vulkan/vk_layer.h' });
  });

  it('is no problem where it is missing, and the commands that need it are named', () => {
    const [compiler, header] = Object.entries(tools);
    const note = expect.stringMatching(
      /^only "reno kernels asm" and "reno kernels stats" need (it|them): apt-get .* gcc libvulkan-dev$/,
    );
    expect(found(Object.fromEntries([compiler ?? []]))).toMatchObject({
      value: "without Vulkan's headers",
      ok: true,
      note,
    });
    expect(found(Object.fromEntries([header ?? []]))).toMatchObject({ value: 'without cc', ok: true, note });
    expect(found({})).toMatchObject({ value: "without cc and Vulkan's headers", ok: true, note });
  });
});
