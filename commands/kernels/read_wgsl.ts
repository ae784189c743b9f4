/** Reads the file of WGSL that a reader changed. */
import { readFileSync } from 'node:fs';
import { UsageError } from '../../src/cli/usage_error.ts';
import { reasonOf } from '../../src/platform/node/errors.ts';

/** Returns the text of `file`. @throws UsageError where the file cannot be read or is empty */
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
