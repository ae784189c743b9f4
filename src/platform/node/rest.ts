/** Keeps a core free while the GPU works. */

const CELL = new Int32Array(new SharedArrayBuffer(4));
const MILLISECONDS = 0.5;
let resting = false;

/**
 * Dawn's binding for Node polls: as long as anything is awaited, it asks again at each turn of the event loop, and so takes a
 * whole core, which a software adapter needs for itself. From here on each such turn begins with a short sleep.
 */
export function restWhilePolling(): void {
  if (!resting) {
    resting = true;
    setImmediate(turn).unref();
  }
}

/** Without a reference, it runs only in turns that others make. */
function turn(): void {
  Atomics.wait(CELL, 0, 0, MILLISECONDS);
  setImmediate(turn).unref();
}
