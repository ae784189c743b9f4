import { reasonOf } from './errors.ts';

/** The first error of stdout since `watchOutput`. */
let failure: Error | null = null;

/** Keeps the first error of stdout for `leave`, where Node would end the process with a trace; errors of stderr have no place to be said. */
export function watchOutput(): void {
  process.stdout.on('error', (error) => {
    failure ??= error;
  });
  process.stderr.on('error', () => {});
}

/**
 * Ends the process after all that was written has reached its reader: `process.exit` alone loses what a full pipe has not taken yet.
 * Where stdout could not be written, stderr says so, and a code of 0 becomes 1.
 */
export async function leave(code: number): Promise<never> {
  await written(process.stdout);
  if (failure !== null) {
    process.stderr.write(`reno: cannot write the output: ${reasonOf(failure)}\n`);
  }
  await written(process.stderr);
  process.exit(failure !== null && code === 0 ? 1 : code);
}

/** Resolves when the stream has passed everything on, or can pass nothing on any more. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('error', () => resolve());
    stream.write('', () => resolve());
  });
}
