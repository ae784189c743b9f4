/** A device that compiles a reader's WGSL in place of a kernel's own. */
import { readFileSync } from 'node:fs';
import { UsageError } from '../../src/cli/usage_error.ts';
import { reasonOf } from '../../src/platform/node/errors.ts';
import { Device } from '../../src/tensor/device.ts';

/** The same adapter as another device's; it must not be destroyed on its own. */
export class EditedDevice extends Device {
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

/** Reads a reader's WGSL. @throws UsageError where the file cannot be read or is empty */
export function readWgsl(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--edit ${file} cannot be read: ${reasonOf(error)}; "reno kernels show OP --wgsl > ${file}" writes the WGSL to begin with`,
    );
  }
  if (text.trim() === '') {
    throw new UsageError(
      `--edit ${file} is empty; "reno kernels show OP --wgsl > ${file}" writes the WGSL to begin with`,
    );
  }
  return text;
}

/** The compiler's errors in `code`, each with file, line, column, the line itself and a caret; empty where it compiles. */
export async function compilerErrors({ gpu }: Device, file: string, code: string): Promise<string[]> {
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const scope = await gpu.popErrorScope();
  const errors = messages.filter(({ type }) => type === 'error');
  if (errors.length === 0 && scope) {
    return [`${file}: ${scope.message}`];
  }
  return errors.map(({ lineNum, linePos, message }) => {
    const line = code.split('\n')[lineNum - 1] ?? '';
    // Tabs stay tabs, so that the caret is under its character.
    const indent = line.slice(0, Math.max(0, linePos - 1)).replaceAll(/[^\t]/g, ' ');
    return `${file}:${lineNum}:${linePos}: ${message}\n${line}\n${indent}^`;
  });
}
