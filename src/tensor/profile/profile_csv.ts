/** A profile as CSV (RFC 4180): a line for each dispatch, in the order of the step. */
import { profileRows } from './group_rows.ts';
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
export function profileCsv(profile: Profile): string {
  const rows = new Map(profileRows(profile, 'dispatch', 0).map((row) => [row.dispatch?.index, row]));
  const lines = profile.dispatches.flatMap((dispatch, i) => {
    const row = rows.get(i);
    const cells = row && [
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
      row.us,
      Math.min(...dispatch.ns) / 1000,
      Math.max(...dispatch.ns) / 1000,
      dispatch.flops,
      dispatch.bytes,
      row.gflops,
      row.gigabytesPerSecond,
      row.rooflineShare,
      row.share,
      row.cumulativeShare,
    ];
    return cells ? [cells.map(cell).join(',')] : [];
  });
  return `${[HEAD.join(','), ...lines].join('\r\n')}\r\n`;
}

const cell = (value: string | number): string => {
  const text = typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
