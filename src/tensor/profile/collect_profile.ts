/** Profiles a step of a plan: each dispatch in several runs, beside runs in which nothing is profiled. */
import type { Device } from '../device/device.ts';
import { siteOf } from '../graph.ts';
import { usesMatrixUnits } from '../kernel.ts';
import type { Cost } from '../op.ts';
import { type PassCostProbe, passCostProbe } from '../plan/pass_cost.ts';
import type { Plan, TimedStep } from '../plan/plan.ts';
import type { Schedule, Step } from '../schedule/schedule.ts';
import { chosenVariant } from '../schedule/summary.ts';
import { median, sum } from '../tuning/median.ts';
import { at, byteSize, showType } from '../types.ts';
import { memoryRecord } from './live_values.ts';
import {
  COARSE_TICK,
  type Direction,
  type DispatchRecord,
  type Peaks,
  type Profile,
  type StepTimes,
} from './profile.ts';

/**
 * Dispatches of a pass by which the GPU's busy time is measured: so many that timestamps cost next to nothing, and so few that a pass
 * is short and another program disturbs some of its runs only.
 */
const PASS = 16;

/** How to profile, and what to call it. */
export interface ProfileOptions {
  /** Runs that are kept; one more warms the adapter up. At least 1. */
  readonly runs: number;
  readonly peaks: Peaks;
  readonly tool: string;
  readonly subject: string;
  /** ISO 8601. */
  readonly date: string;
  /** Called after each run. */
  readonly onRun?: (done: number, runs: number) => void;
}

/**
 * Profiles the step stage of a plan whose inputs are written. A run is three steps: an ordinary one by the clock, one in passes
 * of 16 dispatches with timestamps around them, and one with a pass for each dispatch. So what changes slowly, such as the clock of the
 * processor, is the same for all three. The cost of a pass itself, which would count 16 times as often in the last as in the second,
 * is measured with a small kernel beside each run, and is subtracted from the time of every pass.
 * @throws Error, one sentence, when the adapter has no timestamp-query, or as `Plan.run`
 */
export async function collectProfile(device: Device, plan: Plan, options: ProfileOptions): Promise<Profile> {
  if (!device.gpu.features.has('timestamp-query')) {
    throw new Error('this adapter has no timestamp-query, so its dispatches cannot be timed one by one');
  }
  const { runs, peaks, tool, subject, date } = options;
  using probe = await passCostProbe(device);
  const measured: Round[] = [];
  await round(plan, probe);
  for (let i = 0; i < runs; i++) {
    measured.push(await round(plan, probe));
    options.onRun?.(i + 1, runs);
  }
  device.assertHealthy();
  const tickNs = tickOf(measured.map(({ timed }) => timed));
  const passNs = tickNs < COARSE_TICK ? probe.ns : 0;
  const rounds = measured.map((each) => withoutPassCost(each, passNs));
  const step: StepTimes = {
    clock: rounds.map(({ clock }) => clock),
    busy: rounds.map(({ passes }) => sum(passes.map(({ ns }) => ns)) / 1e6),
    kernels: rounds.map(({ timed }) => sum(timed.map(({ ns }) => ns)) / 1e6),
  };
  const shownRun = medianRun(step.kernels);
  const timed = rounds.map((each) => each.timed);
  return {
    format: 2,
    tool,
    date,
    subject,
    adapter: { ...device.info },
    peaks,
    step,
    passes: at(rounds, 0).passes.map(({ dispatches }, i) => {
      return { dispatches, ns: rounds.map(({ passes }) => at(passes, i).ns) };
    }),
    tickNs,
    passNs,
    shownRun,
    dispatches: dispatchRecords(plan.schedule, timed, shownRun),
    memory: memoryRecord(plan.schedule),
  };
}

/** One run. */
interface Round {
  /** Milliseconds. */
  readonly clock: number;
  readonly passes: readonly { readonly dispatches: number; readonly ns: number }[];
  readonly timed: readonly TimedStep[];
}

async function round(plan: Plan, probe: PassCostProbe): Promise<Round> {
  await plan.finished();
  const start = performance.now();
  await plan.run('step');
  await plan.finished();
  const clock = performance.now() - start;
  const passes = (await plan.passTimes('step', PASS)) ?? [];
  const timed = (await plan.profile('step')) ?? [];
  if (timed.length === 0) {
    throw new Error('the step of this plan has no dispatch, so there is nothing to profile');
  }
  await probe.sample();
  return { clock, passes, timed };
}

function withoutPassCost(round: Round, passNs: number): Round {
  const reduced = <T extends { readonly ns: number }>(spans: readonly T[]): T[] =>
    spans.map((span) => ({ ...span, ns: Math.max(0, span.ns - passNs) }));
  return { ...round, passes: reduced(round.passes), timed: reduced(round.timed) };
}

/** The index of the run with the median sum. */
function medianRun(sums: readonly number[]): number {
  const order = sums.map((_, i) => i).sort((a, b) => at(sums, a) - at(sums, b));
  return at(order, (order.length - 1) >> 1);
}

/** The greatest common divisor of all times: timestamps are multiples of the adapter's tick, or of what a browser rounds to. */
function tickOf(runs: readonly (readonly TimedStep[])[]): number {
  let tick = 0;
  for (const { begin, ns } of runs.flat()) {
    for (let value of [Math.abs(begin), ns]) {
      while (value > 0) {
        [tick, value] = [value, tick % value];
      }
    }
  }
  return tick;
}

function dispatchRecords(
  schedule: Schedule,
  runs: readonly (readonly TimedStep[])[],
  shownRun: number,
): DispatchRecord[] {
  const steps = schedule.steps.step;
  const ns = steps.map((_, i) => runs.map((run) => at(run, i).ns));
  const costs = costsOf(steps, ns.map(median));
  return steps.map((step, i): DispatchRecord => {
    const { node, dispatch, types } = step;
    const written = dispatch.bindings.findIndex(({ access }) => access !== 'read');
    const { flops, bytes } = at(costs, i);
    return {
      path: node.path,
      direction: directionOf(step),
      op: node.op?.name ?? '',
      variant: chosenVariant(node, schedule.choices),
      kernel: dispatch.label,
      operands: dispatch.bindings.map(({ name }, k) => `${name} ${showType(at(types, k))}`),
      dtype: types[written]?.dtype ?? 'f32',
      workgroups: dispatch.workgroups,
      flops,
      bytes,
      matrixFlops: usesMatrixUnits(dispatch) ? flops * (dispatch.matrixWork?.products ?? 1) : 0,
      begin: at(at(runs, shownRun), i).begin,
      ns: at(ns, i),
    };
  });
}

const directionOf = ({ node: { backward, recomputed } }: Step): Direction =>
  recomputed ? 'recomputed' : backward ? 'backward' : 'forward';

/** The work of each dispatch. The arithmetic of a node with several dispatches is divided by their times, and its bytes are what each binds. */
function costsOf(steps: readonly Step[], ns: readonly number[]): Cost[] {
  const costs: Cost[] = [];
  for (let first = 0; first < steps.length; first = costs.length) {
    const { node } = at(steps, first);
    let end = first + 1;
    while (steps[end]?.node === node) {
      end++;
    }
    const { flops, bytes } = node.op?.cost(siteOf(node)) ?? { flops: 0, bytes: 0 };
    const total = sum(ns.slice(first, end));
    for (let i = first; i < end; i++) {
      costs.push(
        end - first === 1
          ? { flops, bytes }
          : { flops: total > 0 ? (flops * at(ns, i)) / total : flops / (end - first), bytes: boundBytes(at(steps, i)) },
      );
    }
  }
  return costs;
}

const boundBytes = ({ dispatch, types }: Step): number =>
  sum(dispatch.bindings.map(({ access }, k) => byteSize(at(types, k)) * (access === 'read_write' ? 2 : 1)));
