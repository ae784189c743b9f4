/** The trace obeys the Trace Event Format, and says where each dispatch was. */
import { describe, expect, it } from 'vitest';
import { dispatchTimes, moduleSpans } from '../../../src/tensor/profile/dispatch_times.ts';
import { traceOf } from '../../../src/tensor/profile/trace_events.ts';
import { at } from '../../../src/tensor/types.ts';
import { madeProfile } from '../../support/made_profile.ts';
import { checkTrace } from '../../support/trace_rules.ts';

const profile = madeProfile();

/** The same, on a GPU that begins a dispatch before the one before it has ended. */
const overlapping = {
  ...profile,
  dispatches: profile.dispatches.map((dispatch, i) => ({ ...dispatch, begin: dispatch.begin - 2000 * i })),
};

describe('the trace', () => {
  it('breaks no rule', () => {
    const { broken, phases } = checkTrace(traceOf(profile));
    expect(broken).toEqual([]);
    const spans = moduleSpans(profile.dispatches, dispatchTimes(profile)).length;
    // Two saved values, each read once by the backward pass.
    expect(phases).toEqual({
      M: 3,
      X: profile.dispatches.length + spans,
      C: 2 * profile.dispatches.length,
      s: 2,
      f: 2,
    });
  });

  it('breaks none where dispatches overlap', () => {
    expect(checkTrace(traceOf(overlapping)).broken).toEqual([]);
    const times = dispatchTimes(overlapping);
    for (let i = 1; i < times.length; i++) {
      expect(at(times, i).begin).toBeGreaterThanOrEqual(at(times, i - 1).end);
    }
  });

  it('has the begin, the time and the rates of a dispatch', () => {
    const { traceEvents } = JSON.parse(traceOf(profile));
    const [event] = traceEvents.filter(
      ({ ph, args }: { ph: string; args?: { index?: number } }) => ph === 'X' && args?.index === 1,
    );
    expect(event).toMatchObject({
      name: 'norm.rows.sums',
      cat: 'forward',
      ts: 100.5,
      dur: 10,
      args: { module: 'net.block.0', us: 10 },
    });
    expect(event.args['GB/s']).toBeCloseTo(1, 6);
  });
});

describe('modules over time', () => {
  it('end where the next one begins, and are open in all of their parts', () => {
    const spans = moduleSpans(profile.dispatches, dispatchTimes(profile));
    expect(spans.slice(0, 5).map(({ name, depth, from, to }) => [name, depth, from, to])).toEqual([
      ['net', 0, 0, 3],
      ['block', 1, 0, 3],
      ['0', 2, 0, 2],
      ['1', 2, 3, 3],
      ['reward', 0, 4, 4],
    ]);
  });
});

describe('the rules', () => {
  const events = (list: readonly unknown[]): string[] => checkTrace(JSON.stringify({ traceEvents: list })).broken;
  const slice = { name: 'a', ph: 'X', pid: 1, tid: 1, ts: 0, dur: 10 };

  it('find slices that do not nest', () => {
    expect(events([slice, { ...slice, ts: 2, dur: 3 }])).toEqual([]);
    expect(events([slice, { ...slice, ts: 5, dur: 10 }])).toHaveLength(1);
    expect(events([slice, { ...slice, tid: 2, ts: 5, dur: 10 }])).toEqual([]);
  });

  it('find broken events', () => {
    const flow = { name: 'v', ph: 's', cat: 'c', id: 1, pid: 1, tid: 1, ts: 1 };
    expect(events([{ ...slice, dur: undefined }])).toHaveLength(1);
    expect(events([{ ...slice, ph: 'C', args: { a: 'x' } }])).toHaveLength(1);
    expect(events([{ ...slice, ph: 'Q' }])).toHaveLength(1);
    expect(events([{ ...slice, ts: -1 }])).toHaveLength(1);
    expect(events([slice, flow])).toHaveLength(1);
    expect(events([slice, flow, { ...flow, ph: 'f', bp: 'e', ts: 99 }])).toHaveLength(1);
    expect(events([slice, flow, { ...flow, ph: 'f', bp: 'e', ts: 5 }])).toEqual([]);
  });
});
