/** A wrong command line: one sentence for the user, exit code 2. Everything else that fails exits with 1. */
export class UsageError extends Error {}

export { reasonOf, systemCode } from '../platform/node/errors.ts';
export { sentenceOf } from '../platform/sentence_of.ts';
