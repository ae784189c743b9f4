/**
 * `reno kernels asm`: what a GPU's compiler makes of one kernel, without that GPU: registers, spills, workgroup memory, waves,
 * instructions by kind, and the instructions themselves with the WGSL before them.
 */
import { type Args, type Command, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { type ChosenKernel, describeCase } from '../../src/kernels/check/chosen_kernel.ts';
import { compilerErrors, showCompilerError } from '../../src/kernels/check/edited_kernel.ts';
import { plannedSteps } from '../../src/kernels/check/measured_kernel.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import { assemblyLoops, describeLoops } from '../codegen/assembly_loops.ts';
import {
  isRadv,
  type PipelineLine,
  type PipelineResources,
  pipelineResources,
  showOwnFigures,
} from '../codegen/driver_statistics.ts';
import { type CompiledKernel, type GpuCompiler, withCompiler } from '../codegen/gpu_compiler.ts';
import { type InstructionCounts, instructionKinds } from '../codegen/instruction_kinds.ts';
import { gpuFlag } from '../codegen/layer.ts';
import { chosenKernel, chosenOp, kernelFlags } from './chosen_kernel.ts';
import { readWgsl } from './read_wgsl.ts';

export const asmCommand: Command = {
  meta: { name: 'asm', description: "Show what a GPU's compiler makes of a kernel, without that GPU" },
  positionals: { name: 'OP', description: 'Op, such as conv2d' },
  args: {
    ...kernelFlags,
    gpu: { ...gpuFlag, default: 'navi31' },
    edit: {
      type: 'string',
      description: "File of WGSL that is compiled in the first dispatch's place",
      valueHint: 'file',
    },
    summary: { type: 'boolean', description: 'Leave out WGSL and instructions' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: asm,
};

/** One compiled dispatch. */
export interface CompiledDispatch extends PipelineResources {
  readonly label: string;
  /** Instructions by kind; null where the driver gives no assembly. */
  readonly kinds: InstructionCounts | null;
  readonly wgsl: string;
  readonly assembly: string;
  /** All that the driver says, by its own names. */
  readonly statistics: PipelineLine['statistics'];
}

async function asm(args: Args, positionals: readonly string[]): Promise<number> {
  const op = chosenOp(positionals, 'reno kernels asm');
  const gpu = textFlag(args, 'gpu') ?? 'navi31';
  const file = textFlag(args, 'edit');
  const edited = file === undefined ? undefined : readWgsl(file);
  return withCompiler(gpu, adapterChoice(args), async (compiler) => {
    const { device, driver } = compiler;
    const kernel = chosenKernel(op, args, device.caps);
    const errors = edited === undefined ? [] : await compilerErrors(device, edited);
    if (errors.length > 0) {
      console.log(errors.map((error) => showCompilerError(file ?? '', error)).join('\n'));
      return finish(args, false, `${file} does not compile`, []);
    }
    const rows = await compileKernel(compiler, kernel, edited);
    console.log(`${op.name}.${kernel.variant.name} on ${gpu} (${driver}), ${describeCase(kernel.case)}`);
    console.log(rows.flatMap((row) => describe(row, isSet(args, 'summary'))).join('\n'));
    const spilled = rows.reduce((sum, row) => sum + row.spilled, 0);
    const spills = Number.isNaN(spilled) ? '' : `, ${spilled} registers spilled`;
    return finish(args, true, `${rows.length} pipelines for ${gpu}${spills}`, rows);
  });
}

/** Compiles the distinct kernels of one use of a variant. @param edited WGSL in place of the first dispatch's */
export async function compileKernel(
  compiler: GpuCompiler,
  kernel: ChosenKernel,
  edited?: string,
): Promise<CompiledDispatch[]> {
  const rows: CompiledDispatch[] = [];
  for (const [i, step] of plannedSteps(compiler.device, kernel).entries()) {
    const wgsl = i === 0 && edited !== undefined ? edited : assemble(step.dispatch, step.types, compiler.device.caps);
    if (!rows.some((other) => other.wgsl === wgsl)) {
      rows.push(compiledDispatch(step.dispatch.label, await compiler.compile(step, wgsl)));
    }
  }
  return rows;
}

function compiledDispatch(label: string, { statistics, assembly, wgsl }: CompiledKernel): CompiledDispatch {
  return { label, ...pipelineResources(statistics), kinds: instructionKinds(assembly), wgsl, assembly, statistics };
}

function describe(row: CompiledDispatch, short: boolean): string[] {
  const code = [row.wgsl, row.assembly].flatMap((text) => ['', ...text.trimEnd().split('\n')]);
  return [...(short ? [] : [...code, '']), ...describeResources(row)];
}

/** Registers, memory and instructions of a compiled kernel, and a line for each of its loops. */
function describeResources(row: CompiledDispatch): string[] {
  if (!isRadv(row.statistics)) {
    return [`${row.label}: ${showOwnFigures(row.statistics)}`];
  }
  const kinds = Object.entries(row.kinds ?? {}).map(([kind, count]) => `${count} ${kind}`);
  return [
    `${row.label}: ${row.vgprs} VGPRs, ${row.sgprs} SGPRs, ${row.spilled} spilled, ${row.lds} bytes of workgroup memory, ${row.waves} waves per SIMD`,
    `  ${row.instructions} instructions${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}; latency ${row.latency} cycles, inverse throughput ${row.inverseThroughput}`,
    ...describeLoops(assemblyLoops(row.assembly)),
  ];
}
