/** Reads what the layer of tools/codegen/null_layer.c wrote: the driver's statistics of each pipeline, and its assembly. */
import { readFileSync } from 'node:fs';

/** A line of the layer. */
export interface DriverStatistics {
  /** The keys are the driver's own names. */
  readonly statistics: Readonly<Record<string, number>>;
  readonly assembly: string;
}

/** How much of a GPU's registers, memory and instructions one pipeline takes. NaN where the driver does not say. */
export interface PipelineResources {
  readonly vgprs: number;
  readonly spilled: number;
  /** Bytes of workgroup memory. */
  readonly lds: number;
  /** Waves per SIMD that registers and workgroup memory allow. */
  readonly waves: number;
  readonly instructions: number;
}

/**
 * Reads the lines of `out`, one for each pipeline, in the order in which they were compiled.
 * @param count how many pipelines were compiled
 * @throws Error when the layer says nothing of one
 */
export function driverStatistics(out: string, count: number): DriverStatistics[] {
  const lines = readFileSync(out, 'utf8').trim().split('\n');
  if (lines.length !== count) {
    throw new Error(`the driver compiled ${lines.length} pipelines of ${count}: its statistics cannot be told apart`);
  }
  return lines.map((line) => ({ statistics: {}, assembly: '', ...(JSON.parse(line) as Partial<DriverStatistics>) }));
}

export function pipelineResources(statistics: DriverStatistics['statistics']): PipelineResources {
  const value = (name: string): number => statistics[name] ?? Number.NaN;
  return {
    vgprs: value('VGPRs'),
    spilled: value('Spilled VGPRs') + (statistics['Spilled SGPRs'] ?? 0),
    lds: value('LDS size'),
    waves: value('Subgroups per SIMD'),
    instructions: value('Instructions'),
  };
}
