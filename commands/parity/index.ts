/**
 * `npm run parity`: compares every network of the registry, on this machine's adapter, with what PyTorch computed: in f32, and in f16
 * where the adapter has shader-f16. Exits with 0 only when every bound holds.
 */
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { sentenceOf, UsageError } from '../../src/cli/usage_error.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { CASES, caseAt } from './cases/index.ts';
import { BOUNDS, computed, type Distance, distance, holds, type Precision } from './golden.ts';

interface Row extends Distance {
  readonly case: string;
  readonly precision: Precision;
  readonly ok: boolean;
  /** Share of the step's values that are kept in f16. */
  readonly half: number;
  readonly versions: string;
  /** The reason for a missing measurement. */
  readonly error?: string;
}

export const command: Command = {
  meta: { name: 'parity', description: 'Compare every network with what PyTorch computed' },
  args: {
    case: { type: 'string', description: 'Only cases with these letters in their name', valueHint: 'text' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: parity,
};

async function parity(args: Args): Promise<number> {
  const wanted = textFlag(args, 'case') ?? '';
  const names = Object.keys(CASES).filter((name) => name.toLowerCase().includes(wanted.toLowerCase()));
  if (names.length === 0) {
    throw new UsageError(`no case has "${wanted}" in its name; the cases are: ${Object.keys(CASES).join('; ')}`);
  }
  const device = await openAdapter(adapterChoice(args));
  const precisions: readonly Precision[] = device.caps.f16 ? ['f32', 'f16'] : ['f32'];
  const width = Math.max(...names.map((name) => name.length));
  console.log(
    `${' '.repeat(11)}${'case'.padEnd(width)}  NMSE     gradient: cosine, norm ratio    f16  fixture made by`,
  );
  const rows: Row[] = [];
  for (const precision of precisions) {
    for (const name of names) {
      const row = await measure(device, name, precision);
      rows.push(row);
      console.log(line(row, width));
    }
  }
  const failed = rows.filter((row) => !row.ok);
  const adapter = adapterName(device);
  const held = `${rows.length - failed.length} of ${rows.length} hold (${precisions.map(bound).join('; ')}) on ${adapter}`;
  const summary = device.caps.f16 ? held : `${held}; f16 was not run: the adapter has no shader-f16`;
  return finish(args, failed.length === 0, summary, rows);
}

async function measure(device: Device, name: string, precision: Precision): Promise<Row> {
  try {
    const golden = await caseAt(name, precision);
    const { half, versions } = golden;
    const found = distance(await computed(device, golden), golden.expected);
    return { case: name, precision, ...found, ok: holds(found, precision), half, versions };
  } catch (error) {
    const nothing = { nmse: Number.NaN, cosine: Number.NaN, normRatio: Number.NaN, half: Number.NaN, versions: '' };
    return { case: name, precision, ...nothing, ok: false, error: sentenceOf(error) };
  }
}

function line(row: Row, width: number): string {
  const number = (value: number, digits: number): string => value.toFixed(digits).padStart(digits + 3);
  const percent = (share: number): string => `${Math.round(100 * share)} %`.padStart(5);
  const figures = [row.nmse.toExponential(1), number(row.cosine, 7), number(row.normRatio, 5), percent(row.half)];
  const found = row.error ?? figures.join('  ');
  return [row.ok ? 'ok  ' : 'FAIL', row.precision, row.case.padEnd(width), found, row.versions].join('  ');
}

function bound(precision: Precision): string {
  const { nmse, cosine, norm } = BOUNDS[precision];
  return `${precision}: NMSE ≤ ${nmse}, cosine ≥ ${cosine}, |norm ratio − 1| ≤ ${norm}`;
}
