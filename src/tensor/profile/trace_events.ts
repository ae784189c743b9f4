/**
 * A profile in the Trace Event Format (Google, "Trace Event Format", 2016), which ui.perfetto.dev opens: complete events for
 * dispatches and modules, counters for memory and rates, and flows from the forward dispatch that makes a saved value to the
 * backward dispatches that read it.
 */
import { at } from '../types.ts';
import { dispatchTimes, type Interval, moduleSpans } from './dispatch_times.ts';
import { leastTimes } from './group_rows.ts';
import { liveBytes } from './live_bytes.ts';
import type { Profile } from './profile.ts';

/** Threads of the trace: Perfetto shows each as a track. */
const DISPATCHES = 1;
const MODULES = 2;
const PROCESS = 1;

interface Event {
  readonly name: string;
  readonly ph: 'X' | 'C' | 'M' | 's' | 'f';
  readonly pid: number;
  readonly tid: number;
  /** µs. */
  readonly ts: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: 'e';
  readonly args?: Readonly<Record<string, string | number>>;
}

/** Returns a profile as the text of a trace file. */
export function traceOf(profile: Profile): string {
  const times = dispatchTimes(profile);
  const events = [
    ...names(profile),
    ...dispatchEvents(profile, times),
    ...moduleEvents(profile, times),
    ...memoryEvents(profile, times),
    ...flows(profile, times),
  ];
  const { tool, date, subject, adapter } = profile;
  const lines = events.map((event) => JSON.stringify(event));
  const about = JSON.stringify({ tool, date, subject, adapter: adapter.description || adapter.vendor });
  return `{"displayTimeUnit":"ns","otherData":${about},"traceEvents":[\n${lines.join(',\n')}\n]}\n`;
}

const micros = (ns: number): number => ns / 1000;

function names({ adapter, subject }: Profile): Event[] {
  const name = (what: string, tid: number, text: string): Event => ({
    name: what,
    ph: 'M',
    pid: PROCESS,
    tid,
    ts: 0,
    args: { name: text },
  });
  return [
    name('process_name', DISPATCHES, `${subject} on ${adapter.description || adapter.vendor}`),
    name('thread_name', DISPATCHES, 'dispatches'),
    name('thread_name', MODULES, 'modules'),
  ];
}

const slice = (tid: number, name: string, cat: string, { begin, end }: Interval, args: Event['args']): Event => ({
  name,
  ph: 'X',
  pid: PROCESS,
  tid,
  ts: micros(begin),
  dur: micros(end - begin),
  cat,
  ...(args ? { args } : {}),
});

function dispatchEvents({ dispatches, shownRun, peaks }: Profile, times: readonly Interval[]): Event[] {
  return dispatches.flatMap((dispatch, i) => {
    const ns = at(dispatch.ns, shownRun);
    const { arithmetic, memory } = leastTimes(dispatch, peaks);
    const per = (amount: number): number => (ns > 0 ? Number((amount / ns).toPrecision(4)) : 0);
    const rates = { 'GFLOP/s': per(dispatch.flops), 'GB/s': per(dispatch.bytes) };
    const time = at(times, i);
    const args = {
      index: i,
      module: dispatch.path,
      op: dispatch.op,
      variant: dispatch.variant,
      operands: dispatch.operands.join(' '),
      workgroups: dispatch.workgroups.join('x'),
      us: micros(ns),
      ...rates,
      roofline: per(Math.max(arithmetic, memory)),
    };
    const counter: Event = {
      name: 'rate',
      ph: 'C',
      pid: PROCESS,
      tid: DISPATCHES,
      ts: micros(time.begin),
      args: rates,
    };
    return [slice(DISPATCHES, dispatch.kernel, dispatch.direction, time, args), counter];
  });
}

const moduleEvents = ({ dispatches }: Profile, times: readonly Interval[]): Event[] =>
  moduleSpans(dispatches, times).map((span) =>
    slice(MODULES, span.name, 'module', span, { dispatches: span.to - span.from + 1 }),
  );

function memoryEvents(profile: Profile, times: readonly Interval[]): Event[] {
  return liveBytes(profile).map(({ saved, transient, streamed }, i): Event => {
    const args = { saved, transient, ...(streamed > 0 ? { streamed } : {}) };
    return { name: 'live bytes', ph: 'C', pid: PROCESS, tid: DISPATCHES, ts: micros(at(times, i).begin), args };
  });
}

function flows({ dispatches, memory }: Profile, times: readonly Interval[]): Event[] {
  let id = 0;
  return memory.values
    .filter(({ kind }) => kind === 'saved')
    .flatMap(({ from, readers }) => {
      const backward = readers.filter((i) => at(dispatches, i).direction === 'backward');
      return backward.flatMap((to): Event[] => {
        id++;
        const flow = { name: 'saved value', cat: 'saved', pid: PROCESS, tid: DISPATCHES, id };
        return [
          { ...flow, ph: 's', ts: micros(at(times, from).begin) },
          { ...flow, ph: 'f', bp: 'e', ts: micros(at(times, to).begin) },
        ];
      });
    });
}
