/** Failures of the GPU, by what can be done about them. */

/**
 * `lost`: the driver gave the device up. `out-of-memory`: a buffer could not be made. `validation` and `internal`: the driver
 * refused a command. `destroyed`: the program closed the device. After `lost`, `validation` and `internal` another device may work.
 */
export type GpuFailure = 'lost' | 'out-of-memory' | 'validation' | 'internal' | 'destroyed';

/** The GPU failed; the message is one sentence. */
export class GpuError extends Error {
  readonly kind: GpuFailure;
  /** Bytes that the plan needs, where memory ran out as it was compiled. */
  readonly bytes: number | undefined;

  /** @internal */
  constructor(kind: GpuFailure, message: string, bytes?: number) {
    super(message);
    this.kind = kind;
    this.bytes = bytes;
  }
}

/** Returns the error, with the bytes that the plan needs where it says that memory ran out and not how much is needed. */
export function withNeed(error: unknown, bytes: number): unknown {
  return error instanceof GpuError && error.kind === 'out-of-memory' && error.bytes === undefined
    ? new GpuError(error.kind, error.message, bytes)
    : error;
}

/** The kind of an error that WebGPU reports. Its classes are no globals in Node. */
export function failureOf(error: GPUError): GpuFailure {
  const name = error.constructor.name;
  return name === 'GPUOutOfMemoryError' ? 'out-of-memory' : name === 'GPUInternalError' ? 'internal' : 'validation';
}
