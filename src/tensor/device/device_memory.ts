/** Counts the bytes of the buffers on a device, now and at most. It does not see what Dawn or a driver allocates beside them. */
export class DeviceMemory {
  readonly #gpu: GPUDevice;
  readonly #alive = new Map<GPUBuffer, number>();
  #bytes = 0;
  #peak = 0;

  /** @internal */
  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Bytes of all buffers that were created here and not destroyed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The largest number of bytes at any one time, since the device was opened or `restartPeak` was called. */
  get peakBytes(): number {
    return this.#peak;
  }

  /** Makes the present number of bytes the peak. */
  restartPeak(): void {
    this.#peak = this.#bytes;
  }

  /** Makes a buffer and counts its bytes. */
  create(descriptor: GPUBufferDescriptor): GPUBuffer {
    const buffer = this.#gpu.createBuffer(descriptor);
    this.#alive.set(buffer, descriptor.size);
    this.#bytes += descriptor.size;
    this.#peak = Math.max(this.#peak, this.#bytes);
    return buffer;
  }

  /** Gives a buffer back; a second time does nothing. */
  destroy(buffer: GPUBuffer): void {
    this.#bytes -= this.#alive.get(buffer) ?? 0;
    this.#alive.delete(buffer);
    buffer.destroy();
  }
}
