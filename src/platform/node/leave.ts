/** Ends the process after all that was written has reached its reader: `process.exit` alone loses what a full pipe has not taken yet. */
export async function leave(code: number): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(written));
  process.exit(code);
}

/** Resolves when the stream has passed everything on, or can pass nothing on any more. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('error', () => resolve());
    stream.write('', () => resolve());
  });
}
