/** What a schedule needs, in totals: known before anything is allocated. */
import { type MemoryPhases, memoryPhases } from '../schedule/memory_phases.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { workOf } from '../schedule/work.ts';
import type { Stage } from '../types.ts';

export interface PlanSummary {
  readonly dispatches: Readonly<Record<Stage, number>>;
  readonly flops: Readonly<Record<Stage, number>>;
  /** Bytes by what they are for; `loadOnly` inputs are given back after the load stage. */
  readonly bytes: {
    readonly inputs: number;
    readonly loadOnly: number;
    readonly kept: number;
    readonly transient: number;
  };
  readonly memory: MemoryPhases;
}

export function summarize(schedule: Schedule): PlanSummary {
  const dispatches = { load: 0, prompt: 0, step: 0 };
  const flops = { load: 0, prompt: 0, step: 0 };
  for (const work of workOf(schedule)) {
    dispatches[work.stage] += work.dispatches;
    flops[work.stage] += work.flops;
  }
  const memory = memoryPhases(schedule);
  const { resident: inputs, loadOnly, kept, shared: transient } = memory;
  return { dispatches, flops, bytes: { inputs, loadOnly, kept, transient }, memory };
}
