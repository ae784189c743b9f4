/** Reads what the layer of tools/codegen/codegen_layer.c wrote: the driver's statistics of each pipeline, and its assembly. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** The layer's line about a device. */
export interface DriverLine {
  readonly device: string;
  /** The driver's name, such as radv. */
  readonly driver: string;
  /** The driver's version, such as Mesa 25.0.7. */
  readonly version: string;
  /** Whether the driver says what its compiler made of a pipeline. */
  readonly answers: boolean;
}

/** The layer's line about a pipeline. */
export interface PipelineLine {
  /** The keys are the driver's own names. */
  readonly statistics: Readonly<Record<string, number>>;
  readonly assembly: string;
}

/** The layer's file, read as it grows. */
export class LayerLog {
  readonly #path: string;
  /** Bytes of the lines that were read. */
  #read = 0;
  #driver: DriverLine | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns the lines about pipelines since the last call. */
  next(): PipelineLine[] {
    const lines = this.#unread().split('\n');
    const parsed = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as DriverLine | PipelineLine);
    const isDriver = (line: DriverLine | PipelineLine): line is DriverLine => 'driver' in line;
    this.#driver = parsed.filter(isDriver).at(-1) ?? this.#driver;
    return parsed.flatMap((line) => (isDriver(line) ? [] : [line]));
  }

  /** Reads the whole lines since the last call. The file is large in the end, so only its new bytes are read. */
  #unread(): string {
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#read);
      const count = readSync(file, bytes, 0, bytes.length, this.#read);
      const whole = bytes.subarray(0, count).lastIndexOf('\n') + 1;
      this.#read += whole;
      return bytes.toString('utf8', 0, whole);
    } finally {
      closeSync(file);
    }
  }

  /** Returns the line about the device that was opened last; undefined before there is one. */
  driver(): DriverLine | undefined {
    this.next();
    return this.#driver;
  }
}

/** How much of a GPU's registers, memory and instructions one pipeline takes. NaN where the driver does not say. */
export interface PipelineResources {
  readonly vgprs: number;
  readonly sgprs: number;
  /** Vector and scalar registers that do not fit and go through memory. */
  readonly spilled: number;
  /** Bytes of workgroup memory. */
  readonly lds: number;
  /** Waves per SIMD that registers and workgroup memory allow. */
  readonly waves: number;
  readonly instructions: number;
  /** Cycles of one wave, as the compiler estimates them. */
  readonly latency: number;
  /** Cycles between waves, as the compiler estimates them. */
  readonly inverseThroughput: number;
}

/** Whether the statistics are those of AMD's driver in Mesa, whose names `pipelineResources` knows. */
export const isRadv = (statistics: PipelineLine['statistics']): boolean => 'VGPRs' in statistics;

/** Returns the figures of another driver by its own names, in a line. */
export const showOwnFigures = (statistics: PipelineLine['statistics']): string =>
  Object.entries(statistics)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

export function pipelineResources(statistics: PipelineLine['statistics']): PipelineResources {
  const value = (name: string): number => statistics[name] ?? Number.NaN;
  return {
    vgprs: value('VGPRs'),
    sgprs: value('SGPRs'),
    spilled: value('Spilled VGPRs') + value('Spilled SGPRs'),
    lds: value('LDS size'),
    waves: value('Subgroups per SIMD'),
    instructions: value('Instructions'),
    latency: value('Latency'),
    inverseThroughput: value('Inverse Throughput'),
  };
}
