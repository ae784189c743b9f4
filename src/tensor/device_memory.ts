/** Bytes of the buffers that are alive on a device: now, and at most. What Dawn or a driver holds beside them is not seen. */
export class DeviceMemory {
  readonly #gpu: GPUDevice;
  readonly #alive = new Map<GPUBuffer, number>();
  #bytes = 0;
  #peak = 0;

  /** @internal */
  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Of all buffers made here and not yet given back. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The most there has been at any one time, since the device was opened or `restartPeak`. */
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
