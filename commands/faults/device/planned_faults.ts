/** The faults that the part `device` injects, planned from the calls of a run that was not disturbed. */
import type { Trial } from './device_trial.ts';
import { CALLS, type Call, type DeviceFault, type PlannedFault } from './faulty_device.ts';

export interface FaultCase {
  readonly phase: string;
  /** One for each device, in the order in which they are opened. */
  readonly faults: readonly PlannedFault[];
}

const PHASES = ['load', 'compile', 'forward', 'backward', 'readback'] as const;

/** The device is lost, or refuses a command, once at each phase; and is lost two, three and four times. */
export function phaseFaults({ opened, counts }: Trial): FaultCase[] {
  const between = (call: Call, share: number): number =>
    Math.floor(opened[call] + (counts[call] - opened[call] - 1) * share);
  const places: Readonly<Record<(typeof PHASES)[number], { readonly call: Call; readonly at: number }>> = {
    load: { call: 'writeBuffer', at: Math.floor(opened.writeBuffer / 2) },
    compile: { call: 'createComputePipelineAsync', at: Math.floor(opened.createComputePipelineAsync / 2) },
    forward: { call: 'submit', at: between('submit', 0.4) },
    backward: { call: 'submit', at: between('submit', 0.7) },
    readback: { call: 'mapAsync', at: between('mapAsync', 0.6) },
  };
  const once = PHASES.flatMap((phase) =>
    (['lost', 'validation'] as const).map((fault): FaultCase => ({ phase, faults: [{ ...places[phase], fault }] })),
  );
  // A later device does less, so its fault comes early: while it opens, or in the first of its iterations.
  const early = { call: 'submit', at: opened.submit + 3, fault: 'lost' } as const;
  const opening = { ...places.load, fault: 'lost' } as const;
  return [
    ...once,
    { phase: 'forward, then load', faults: [early, opening] },
    { phase: 'load, then forward twice', faults: [opening, early, early] },
    { phase: 'forward four times', faults: [early, early, early, early] },
  ];
}

/** A call that allocates, by its kind and number. */
export interface Allocation {
  readonly call: Call;
  readonly at: number;
}

/** Every allocation of a run: of buffers, of what the driver keeps of an upload, of pipelines, bindings, commands and answers. */
export function allocationsOf({ counts }: Trial): Allocation[] {
  return CALLS.flatMap((call) => Array.from({ length: counts[call] }, (_, at) => ({ call, at })));
}

/** Some of them: the first and the last of each kind, and `count` others at equal distances. */
export function someOf(allocations: readonly Allocation[], count: number): Allocation[] {
  const step = Math.max(1, Math.floor(allocations.length / count));
  return allocations.filter(({ call }, i) => {
    return i % step === 0 || allocations[i - 1]?.call !== call || allocations[i + 1]?.call !== call;
  });
}

export const failing = (allocation: Allocation, fault: DeviceFault): PlannedFault => ({ ...allocation, fault });

/** Shares of the memory that a run needs, which is all that the device has. */
export const SHARES = [0.95, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1] as const;

/** The device never has more than this share of the memory, nor does any that is opened later. */
export function shortage(peak: number, share: number): PlannedFault[] {
  const fault = { call: 'createBuffer', bytes: Math.floor(peak * share), fault: 'out-of-memory' } as const;
  return Array.from({ length: 12 }, () => fault);
}
