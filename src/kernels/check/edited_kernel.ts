/** Runs a reader's WGSL in the place of one dispatch of a kernel. */
import { Device } from '../../tensor/device/device.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { type ChosenKernel, KernelWishError } from './chosen_kernel.ts';
import {
  CheckedKernel,
  type Expected,
  finalWgsl,
  type MeasuredKernel,
  type Timing,
  timeInTurns,
} from './measured_kernel.ts';

/** The WGSL that takes the place of a kernel's own, and how it is dispatched. */
export interface Edit {
  readonly wgsl: string;
  /** Number of the dispatch of the variant. */
  readonly dispatch: number;
  /** The number of workgroups; absent: as before. */
  readonly workgroups?: Dispatch['workgroups'];
}

/** An error that the compiler found in WGSL. */
export interface CompilerError {
  /** Line and column, counted from 1; 0 where the compiler names no place. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The line itself; empty where the compiler names no place. */
  readonly text: string;
}

/** The same adapter as another device's, with other WGSL for one kernel; it must not be destroyed on its own. */
class EditedDevice extends Device {
  readonly #original: string;
  readonly #edited: string;

  /** Compiles `edited` wherever a plan asks for `original`. */
  constructor({ gpu, caps, info }: Device, original: string, edited: string) {
    super(gpu, caps, info);
    this.#original = original;
    this.#edited = edited;
  }

  override pipeline(
    label: string,
    code: string,
    layout: GPUBindGroupLayout,
    overrides: Readonly<Record<string, number>>,
  ): Promise<GPUComputePipeline> {
    return super.pipeline(label, code === this.#original ? this.#edited : code, layout, overrides);
  }
}

/** Returns the WGSL of one dispatch of a kernel. @throws KernelWishError where the kernel has fewer dispatches */
export function wgslOfDispatch(device: Pick<Device, 'caps'>, kernel: ChosenKernel, dispatch: number): string {
  const wgsl = finalWgsl(device, kernel);
  const found = wgsl[dispatch];
  if (found === undefined) {
    throw new KernelWishError(
      `there is no dispatch ${dispatch}: ${kernel.op.name}.${kernel.variant.name} has ${wgsl.length} here, numbered from 0`,
    );
  }
  return found;
}

/** A reader's kernel beside the original, timed in turns. */
export interface EditedBesideOriginal {
  readonly original: MeasuredKernel;
  readonly edited: MeasuredKernel;
}

/**
 * Runs a reader's WGSL in the kernel's place, and the kernel itself.
 * @returns the compiler's errors where it does not compile
 * @throws KernelWishError where the kernel has fewer dispatches @throws Error where the device refuses what compiles
 */
export async function measureEdited(
  device: Device,
  kernel: ChosenKernel,
  expected: Expected,
  edit: Edit,
  timing: Timing,
): Promise<EditedBesideOriginal | readonly CompilerError[]> {
  const wgsl = wgslOfDispatch(device, kernel, edit.dispatch);
  const errors = await compilerErrors(device, edit.wgsl);
  if (errors.length > 0) {
    return errors;
  }
  using own = await CheckedKernel.open(device, kernel, expected);
  const standIn = new EditedDevice(device, wgsl, edit.wgsl);
  using changed = await CheckedKernel.open(standIn, withWorkgroups(kernel, edit), expected);
  const times = await timeInTurns([own, changed], timing);
  return { original: at(times, 0), edited: at(times, 1) };
}

/** The kernel with another number of workgroups in one of its dispatches. */
function withWorkgroups(kernel: ChosenKernel, { dispatch, workgroups }: Edit): ChosenKernel {
  if (!workgroups) {
    return kernel;
  }
  const { op, variant } = kernel;
  const changed: Variant = {
    ...variant,
    dispatches: (site, caps) =>
      variant.dispatches(site, caps).map((d, i) => (i === dispatch ? { ...d, workgroups } : d)),
  };
  return { ...kernel, op: { ...op, variants: [changed] }, variant: changed };
}

/** Returns the compiler's errors in `code`; none where it compiles. */
export async function compilerErrors({ gpu }: Device, code: string): Promise<CompilerError[]> {
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const scope = await gpu.popErrorScope();
  const lines = code.split('\n');
  const errors = messages
    .filter(({ type }) => type === 'error')
    .map(({ lineNum, linePos, message }) => ({
      line: lineNum,
      column: linePos,
      message,
      text: lines[lineNum - 1] ?? '',
    }));
  return errors.length === 0 && scope ? [{ line: 0, column: 0, message: scope.message, text: '' }] : errors;
}

/** Shows an error as compilers do: file, line, column and message, then the line itself and a caret below the place. */
export function showCompilerError(file: string, { line, column, message, text }: CompilerError): string {
  if (line === 0) {
    return `${file}: ${message}`;
  }
  // Tabs stay tabs, so that the caret is under its character.
  const indent = text.slice(0, Math.max(0, column - 1)).replaceAll(/[^\t]/g, ' ');
  return `${file}:${line}:${column}: ${message}\n${text}\n${indent}^`;
}
