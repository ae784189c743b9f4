/** A profile as CSV (RFC 4180): a line for each dispatch, in the order of the step. */
import { median } from '../median.ts';
import { leastTimes } from './group_rows.ts';
import type { Profile } from './profile.ts';

const HEAD = [
  'index',
  'module',
  'direction',
  'op',
  'variant',
  'kernel',
  'operands',
  'dtype',
  'workgroups',
  'begin_us',
  'us',
  'fastest_us',
  'slowest_us',
  'flops',
  'bytes',
  'gflop_per_s',
  'gb_per_s',
  'roofline_share',
  'share',
  'cumulative_share',
] as const;

/** Returns the text of the CSV file. `cumulative_share` counts from the slowest dispatch on. */
export function profileCsv({ dispatches, peaks }: Profile): string {
  const times = dispatches.map(({ ns }) => median(ns));
  const total = times.reduce((all, ns) => all + ns, 0);
  const cumulative = new Map<number, number>();
  let before = 0;
  for (const i of times.map((_, index) => index).sort((a, b) => (times[b] ?? 0) - (times[a] ?? 0))) {
    before += times[i] ?? 0;
    cumulative.set(i, total > 0 ? before / total : 0);
  }
  const lines = dispatches.map((dispatch, i) => {
    const ns = times[i] ?? 0;
    const { arithmetic, memory } = leastTimes(dispatch, peaks);
    const per = (amount: number): number => (ns > 0 ? amount / ns : 0);
    const cells: (string | number)[] = [
      i,
      dispatch.path,
      dispatch.direction,
      dispatch.op,
      dispatch.variant,
      dispatch.kernel,
      dispatch.operands.join(' '),
      dispatch.dtype,
      dispatch.workgroups.join('x'),
      dispatch.begin / 1000,
      ns / 1000,
      Math.min(...dispatch.ns) / 1000,
      Math.max(...dispatch.ns) / 1000,
      dispatch.flops,
      dispatch.bytes,
      per(dispatch.flops),
      per(dispatch.bytes),
      per(Math.max(arithmetic, memory)),
      total > 0 ? ns / total : 0,
      cumulative.get(i) ?? 0,
    ];
    return cells.map(cell).join(',');
  });
  return `${[HEAD.join(','), ...lines].join('\r\n')}\r\n`;
}

const cell = (value: string | number): string => {
  const text = typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
