/** A wrong command line: one sentence for the user, exit code 2. Everything else that fails exits with 1. */
export class UsageError extends Error {}

/** The sentence to print for anything thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `code` of a Node system error such as EACCES, if it is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
