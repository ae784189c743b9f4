/**
 * Every network of the registry on this machine's adapter, against what PyTorch gave: in f32, and in f16 where the adapter
 * has shader-f16.   npm run parity -- [--case SUBSTRING] [--json]
 * Exits 0 only when every bound holds; the last line of --json is `{"ok":…,"summary":"…","rows":[…]}`.
 */
import { parseArgs } from 'node:util';
import { openAdapter } from '../../src/cli/adapter.ts';
import { BOUNDS, computed, type Distance, distance, holds, type Precision } from '../support/golden.ts';
import { CASES, caseAt } from './cases/index.ts';

interface Row extends Distance {
  readonly case: string;
  readonly precision: Precision;
  readonly ok: boolean;
  /** Share of the step's values that are kept in f16. */
  readonly half: number;
  readonly versions: string;
  /** Why there is no measurement. */
  readonly error?: string;
}

const { values: options } = parseArgs({
  options: { case: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const wanted = (options.case ?? '').toLowerCase();
const names = Object.keys(CASES).filter((name) => name.toLowerCase().includes(wanted));
if (names.length === 0) {
  console.error(`no case has "${options.case}" in its name; there are: ${Object.keys(CASES).join('; ')}`);
  process.exit(2);
}
const device = await openAdapter();
const precisions: readonly Precision[] = device.caps.f16 ? ['f32', 'f16'] : ['f32'];

async function measure(name: string, precision: Precision): Promise<Row> {
  try {
    const golden = await caseAt(name, precision);
    const found = distance(await computed(device, golden), golden.expected);
    return {
      case: name,
      precision,
      ...found,
      ok: holds(found, precision),
      half: golden.half,
      versions: golden.versions,
    };
  } catch (error) {
    const none = {
      nmse: Number.NaN,
      cosine: Number.NaN,
      normRatio: Number.NaN,
      ok: false,
      half: Number.NaN,
      versions: '',
    };
    return { case: name, precision, ...none, error: error instanceof Error ? error.message : String(error) };
  }
}

const width = Math.max(...names.map((name) => name.length));
const number = (value: number, digits: number): string => value.toFixed(digits).padStart(digits + 3);
const percent = (share: number): string => `${Math.round(100 * share)} %`.padStart(5);
const line = (row: Row): string =>
  [
    row.ok ? 'ok  ' : 'FAIL',
    row.precision,
    row.case.padEnd(width),
    row.error ??
      [row.nmse.toExponential(1), number(row.cosine, 7), number(row.normRatio, 5), percent(row.half)].join('  '),
    row.versions,
  ].join('  ');
console.log(`${' '.repeat(11)}${'case'.padEnd(width)}  NMSE     gradient: cosine, norm ratio    f16  fixture made by`);
const rows: Row[] = [];
for (const precision of precisions) {
  for (const name of names) {
    const row = await measure(name, precision);
    rows.push(row);
    console.log(line(row));
  }
}
const bound = (p: Precision): string =>
  `${p}: NMSE ≤ ${BOUNDS[p].nmse}, cosine ≥ ${BOUNDS[p].cosine}, |norm ratio − 1| ≤ ${BOUNDS[p].norm}`;
const failed = rows.filter((row) => !row.ok);
const summary = [
  `${rows.length - failed.length} of ${rows.length} hold (${precisions.map(bound).join('; ')}) on ${device.info.description || device.info.vendor}`,
  device.caps.f16 ? '' : 'f16 was not run: the adapter has no shader-f16',
]
  .filter((part) => part !== '')
  .join('; ');
console.log(summary);
const ok = failed.length === 0;
if (options.json) {
  console.log(JSON.stringify({ ok, summary, rows }));
}
process.exit(ok ? 0 : 1);
