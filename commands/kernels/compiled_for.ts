/** Asks for a kernel's registers and waves on a GPU that is not here, in a process of its own: a process chooses its driver once. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { ChosenKernel } from '../../src/kernels/check/chosen_kernel.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { at } from '../../src/tensor/types.ts';
import { isRadv, showOwnFigures } from '../codegen/driver_statistics.ts';
import type { CompiledDispatch } from './asm.ts';

/** The flags with which `chosenKernel` finds this kernel again. */
export function flagsOf({ op, variant, index, case: c }: ChosenKernel): Record<string, string> {
  const { inputs } = at(op.cases, index);
  const dtype = c.inputs.find((input, i) => input.dtype !== at(inputs, i).dtype)?.dtype;
  return {
    variant: variant.name,
    case: String(index),
    attrs: JSON.stringify(c.attrs),
    ...(c.inputs.every(({ shape }) => shape.length > 0)
      ? { shape: c.inputs.map(({ shape }) => shape.join('x')).join(',') }
      : {}),
    ...(dtype ? { dtype } : {}),
  };
}

/** The compiler's answer: a row for each pipeline, or one sentence that says why there is none. */
export interface CompilerAnswer {
  readonly rows: readonly CompiledDispatch[];
  readonly problem?: string;
}

/** Asks the compiler of GPU family `gpu`. @param file WGSL in place of the first dispatch's */
export function askCompiler(gpu: string, kernel: ChosenKernel, file?: string): CompilerAnswer {
  const asked = [
    ...['kernels', 'asm', kernel.op.name, '--gpu', gpu, '--summary', '--json'],
    ...Object.entries(flagsOf(kernel)).flatMap(([name, value]) => [`--${name}`, value]),
    ...(file === undefined ? [] : ['--edit', resolve(file)]),
  ];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(PACKAGE_ROOT, 'commands/bin.ts'), ...asked],
    { cwd: PACKAGE_ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) {
    const sentence = stderr.split('\n').find((line) => line.startsWith('reno: ')) ?? `reno: no answer for ${gpu}`;
    return { rows: [], problem: sentence.slice('reno: '.length) };
  }
  const { ok, summary, rows } = JSON.parse(last) as { ok: boolean; summary: string; rows: readonly CompiledDispatch[] };
  return ok ? { rows } : { rows: [], problem: summary };
}

/** @param file WGSL in place of the first dispatch's @returns a line for each pipeline, or the reason why there is none */
export function compiledFor(gpu: string, kernel: ChosenKernel, file?: string): string[] {
  const { rows, problem } = askCompiler(gpu, kernel, file);
  return problem === undefined ? rows.map((row) => `  ${gpu}: ${describeCompiled(row)}`) : [`  ${gpu}: ${problem}`];
}

function describeCompiled(row: CompiledDispatch): string {
  if (!isRadv(row.statistics)) {
    return showOwnFigures(row.statistics);
  }
  const { vgprs, spilled, lds, waves, instructions, kinds } = row;
  const counted = kinds ? `, ${kinds.memory} of them memory, ${kinds.matrix} matrix` : '';
  return `${vgprs} VGPRs, ${spilled} spilled, ${lds} bytes of workgroup memory, ${waves} waves per SIMD, ${instructions} instructions${counted}`;
}
