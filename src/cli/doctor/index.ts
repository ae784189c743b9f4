/** `reno doctor`: says whether this machine can run ReNO, on which adapter, and what to install where it cannot. */
import { existsSync, readFileSync } from 'node:fs';
import { type AdapterName, listAdapters, NO_ADAPTER_HELP } from '../../platform/node/open_device.ts';
import type { Device } from '../../tensor/device/device.ts';
import { openAdapter, wantsSubgroupMatrix } from '../adapter.ts';
import { type Args, type Command, isSet } from '../flags/args.ts';
import { adapterChoice, adapterFlags, printJson } from '../flags/shared.ts';
import { sentenceOf } from '../usage_error.ts';
import { checkCodegen } from './codegen.ts';
import { checkMemory, checkPicked, checkRenderNodes } from './gpu.ts';
import { type Finding, type Machine, thisMachine } from './machine.ts';
import { checkMatrixUnits } from './matrix_units.ts';
import { checkNvidia } from './nvidia.ts';
import { checkVulkan } from './vulkan.ts';

export const doctorCommand: Command = {
  meta: { name: 'doctor', description: 'Say which GPU is used, what it can do, and what to install where none works' },
  args: { ...adapterFlags, json: { type: 'boolean', description: 'Print one line of JSON' } },
  run: doctor,
};

export const devicesCommand: Command = {
  meta: { name: 'devices', description: 'List the adapters, for --adapter' },
  args: { json: { type: 'boolean', description: 'Print one line of JSON' } },
  run: devices,
};

async function doctor(args: Args): Promise<number> {
  const machine = thisMachine();
  const findings: Finding[] = [node(), ...checkMachine(machine)];
  let working = false;
  try {
    using device = await openAdapter(adapterChoice(args));
    const found = await adapterFindings(device);
    // A finding about the machine is no failure as long as the adapter works.
    working = found.every((f) => f.ok);
    findings.push(...found, ...checkPicked(machine, device.caps.software));
  } catch (error) {
    findings.push({ what: 'adapter', value: 'none', ok: false, note: sentenceOf(error) });
    findings.push(...((await listAdapters(true)).length === 0 ? distributionAdvice() : []));
  }
  const summary = working ? 'ReNO runs on this machine' : 'ReNO cannot run on this machine yet';
  if (isSet(args, 'json')) {
    printJson({ ok: working, summary, rows: findings });
  } else {
    for (const { what, value, ok, note } of findings) {
      console.log(`${ok ? 'ok ' : '-- '} ${what.padEnd(22)} ${value}${note ? `\n       ${note}` : ''}`);
    }
    console.log(summary);
  }
  return working ? 0 : 1;
}

/** The findings about an adapter: what it can do, its matrix units, and whether it computes. */
export async function adapterFindings(device: Device): Promise<Finding[]> {
  return [...describe(device), await checkMatrixUnits(device, wantsSubgroupMatrix()), await computes(device)];
}

/** The findings that need no adapter. Systems other than Linux bring their drivers along. */
export function checkMachine(machine: Machine): Finding[] {
  return machine.platform === 'linux'
    ? [checkVulkan, checkNvidia, checkRenderNodes, checkMemory, checkCodegen].flatMap((check) => check(machine))
    : [];
}

function node(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  return {
    what: 'node',
    value: process.versions.node,
    ok: major >= 20,
    ...(major >= 20 ? {} : { note: 'Node 20 or later is needed' }),
  };
}

function describe(device: Device): Finding[] {
  const { caps, info, limits } = device;
  const mib = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
  const yes = (flag: boolean, without: string): { value: string; ok: true; note?: string } =>
    flag ? { value: 'yes', ok: true } : { value: 'no', ok: true, note: without };
  return [
    {
      what: 'adapter',
      value: info.description || `${info.vendor} ${info.architecture}`,
      ok: true,
      ...(caps.software ? { note: 'a software driver: the pocket models run, larger ones need a GPU' } : {}),
    },
    {
      what: 'shader-f16',
      ...yes(
        caps.f16,
        `f16 weights are unpacked from u32 instead${/nvidia/i.test(info.vendor) ? "; Dawn's toggle vulkan_enable_f16_on_nvidia had no effect, a newer driver may help" : ''}`,
      ),
    },
    { what: 'subgroups', ...yes(caps.subgroups, 'reductions go through workgroup memory instead') },
    ...(caps.subgroups
      ? [{ what: 'subgroup size', value: `${caps.subgroupMinSize} to ${caps.subgroupMaxSize}`, ok: true }]
      : []),
    {
      what: 'timestamp-query',
      ...yes(device.gpu.features.has('timestamp-query'), 'kernels cannot be timed one by one'),
    },
    { what: 'storage binding', value: mib(limits.maxStorageBufferBindingSize), ok: true },
    { what: 'buffer', value: mib(limits.maxBufferSize), ok: true },
    { what: 'workgroup storage', value: `${limits.maxComputeWorkgroupStorageSize / 1024} KiB`, ok: true },
    { what: 'workgroup invocations', value: String(limits.maxComputeInvocationsPerWorkgroup), ok: true },
    {
      what: 'storage buffers',
      value: `${limits.maxStorageBuffersPerShaderStage} a stage`,
      ok: limits.maxStorageBuffersPerShaderStage >= 8,
    },
  ];
}

/** Adds one to a few numbers, to find an adapter that is listed but broken before a run does. */
async function computes(device: Device): Promise<Finding> {
  const code =
    '@group(0) @binding(1) var<storage, read_write> x: array<f32>;\n@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] += 1.0; }';
  const { gpu } = device;
  const layout = device.layout(false, 'w');
  const pipeline = await device.pipeline('doctor', code, layout, {});
  const buffer = gpu.createBuffer({ size: 16, usage: 0x80 | 0x8 | 0x4 }); // STORAGE, COPY_DST, COPY_SRC
  const staging = gpu.createBuffer({ size: 16, usage: 0x1 | 0x8 }); // MAP_READ, COPY_DST
  gpu.queue.writeBuffer(buffer, 0, new Float32Array([1, 2, 3, 4]));
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, gpu.createBindGroup({ layout, entries: [{ binding: 1, resource: { buffer } }] }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 16);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const result = [...new Float32Array(staging.getMappedRange())];
  const ok = result.join() === '2,3,4,5';
  return { what: 'computes', value: ok ? 'yes' : `wrongly: ${result.join()}`, ok };
}

async function devices(args: Args): Promise<number> {
  const adapters: AdapterName[] = await listAdapters(true);
  if (isSet(args, 'json')) {
    printJson({ ok: adapters.length > 0, summary: `adapters found: ${adapters.length}`, rows: adapters });
  } else {
    for (const { backend, name } of adapters) {
      console.log(`${backend.padEnd(8)} ${name}`);
    }
  }
  if (adapters.length === 0) {
    throw new Error(`no WebGPU adapter was found; ${NO_ADAPTER_HELP}`);
  }
  return 0;
}

/** The commands that install a driver, for the distributions that are known. */
function distributionAdvice(): Finding[] {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const id = /^ID=(.*)$/m.exec(release)?.[1]?.replaceAll('"', '');
  const version = /^VERSION_ID=(.*)$/m.exec(release)?.[1]?.replaceAll('"', '');
  const commands =
    id === 'debian' && version === '12'
      ? "echo 'deb http://deb.debian.org/debian bookworm-backports main' > /etc/apt/sources.list.d/backports.list && apt-get update && apt-get install -y -t bookworm-backports mesa-vulkan-drivers"
      : id === 'debian' || id === 'ubuntu'
        ? 'apt-get install -y mesa-vulkan-drivers'
        : id === 'fedora'
          ? 'dnf install -y mesa-vulkan-drivers'
          : undefined;
  return commands ? [{ what: 'to install (as root)', value: commands, ok: false }] : [];
}
