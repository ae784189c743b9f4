/**
 * `reno kernels asm`: what AMD's compiler in Mesa makes of one kernel, without that GPU: registers, spills, workgroup memory, waves,
 * instructions by kind, and the instructions themselves with the WGSL before them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Args, type Command, isSet, textFlag } from '../../src/cli/args.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { type ChosenKernel, describeCase } from '../../src/kernels/check/chosen_kernel.ts';
import { compilerErrors, showCompilerError } from '../../src/kernels/check/edited_kernel.ts';
import { plannedSteps } from '../../src/kernels/check/measured_kernel.ts';
import { openDevice } from '../../src/platform/node/open_device.ts';
import type { Device } from '../../src/tensor/device.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import { at } from '../../src/tensor/types.ts';
import {
  type DriverStatistics,
  driverStatistics,
  type PipelineResources,
  pipelineResources,
} from '../codegen/driver_statistics.ts';
import { countInstructions, type InstructionCounts, instructionKinds } from '../codegen/instruction_kinds.ts';
import { compileFor, FAMILIES } from '../codegen/layer.ts';
import { chosenKernel, chosenOp, kernelFlags } from './chosen_kernel.ts';
import { readWgsl } from './read_wgsl.ts';

export const asmCommand: Command = {
  meta: { name: 'asm', description: "Show what AMD's compiler makes of a kernel, without that GPU" },
  positionals: { name: 'OP', description: 'Op, such as conv2d' },
  args: {
    ...kernelFlags,
    gpu: { type: 'enum', options: [...FAMILIES], description: 'GPU family to compile for', default: 'navi31' },
    edit: {
      type: 'string',
      description: "File of WGSL that is compiled in the first dispatch's place",
      valueHint: 'file',
    },
    summary: { type: 'boolean', description: 'Leave out WGSL and instructions' },
    ...jsonFlag,
  },
  run: asm,
};

/** One compiled dispatch. */
export interface CompiledDispatch extends PipelineResources {
  readonly label: string;
  readonly kinds: InstructionCounts;
  /** In cycles, as the compiler estimates it. */
  readonly latency: number;
  readonly inverseThroughput: number;
  readonly wgsl: string;
  readonly assembly: string;
}

async function asm(args: Args, positionals: readonly string[]): Promise<number> {
  const op = chosenOp(positionals, 'reno kernels asm');
  const gpu = textFlag(args, 'gpu') ?? 'navi31';
  const folder = mkdtempSync(join(tmpdir(), 'reno-asm-'));
  try {
    const out = join(folder, 'pipelines.jsonl');
    writeFileSync(out, '');
    compileFor(gpu, out);
    const device = await openDevice({ backend: 'vulkan', subgroupMatrix: true });
    const kernel = chosenKernel(op, args, device.caps);
    const file = textFlag(args, 'edit');
    const edited = file === undefined ? undefined : readWgsl(file);
    const errors = edited === undefined ? [] : await compilerErrors(device, edited);
    if (errors.length > 0) {
      console.log(errors.map((error) => showCompilerError(file ?? '', error)).join('\n'));
      return finish(args, false, `${file} does not compile`, []);
    }
    const rows = await compileKernel(device, kernel, out, edited);
    console.log(`${op.name}.${kernel.variant.name} on ${gpu}, ${describeCase(kernel.case)}`);
    console.log(rows.flatMap((row) => describe(row, isSet(args, 'summary'))).join('\n'));
    const spilled = rows.reduce((sum, row) => sum + row.spilled, 0);
    return finish(args, true, `${rows.length} pipelines for ${gpu}, ${spilled} registers spilled`, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compileKernel(
  device: Device,
  kernel: ChosenKernel,
  out: string,
  edited?: string,
): Promise<CompiledDispatch[]> {
  const compiled: { label: string; wgsl: string }[] = [];
  for (const [i, { dispatch, types }] of plannedSteps(device, kernel).entries()) {
    const wgsl = i === 0 && edited !== undefined ? edited : assemble(dispatch, types, device.caps);
    if (compiled.some((other) => other.wgsl === wgsl)) {
      continue; // The device compiles equal WGSL once.
    }
    const accesses = dispatch.bindings.map(({ access }) => (access === 'read' ? 'r' : 'w')).join('');
    const layout = device.layout(Object.keys(dispatch.params).length > 0, accesses);
    await device.pipeline(dispatch.label, wgsl, layout, dispatch.overrides ?? {});
    compiled.push({ label: dispatch.label, wgsl });
  }
  const statistics = driverStatistics(out, compiled.length);
  return compiled.map((own, i) => compiledDispatch(own, at(statistics, i)));
}

function compiledDispatch(
  own: Pick<CompiledDispatch, 'label' | 'wgsl'>,
  { statistics, assembly }: DriverStatistics,
): CompiledDispatch {
  return {
    ...own,
    ...pipelineResources(statistics),
    kinds: instructionKinds(countInstructions(assembly)),
    latency: statistics.Latency ?? Number.NaN,
    inverseThroughput: statistics['Inverse Throughput'] ?? Number.NaN,
    assembly,
  };
}

function describe(row: CompiledDispatch, short: boolean): string[] {
  const kinds = Object.entries(row.kinds).map(([kind, count]) => `${count} ${kind}`);
  return [
    ...(short ? [] : ['', ...row.wgsl.trimEnd().split('\n'), '', ...row.assembly.trimEnd().split('\n'), '']),
    `${row.label}: ${row.vgprs} VGPRs, ${row.spilled} spilled, ${row.lds} bytes of workgroup memory, ${row.waves} waves per SIMD`,
    `  ${row.instructions} instructions (${kinds.join(', ')}); latency ${row.latency} cycles, inverse throughput ${row.inverseThroughput}`,
  ];
}
