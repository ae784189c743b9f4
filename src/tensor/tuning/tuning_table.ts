/** The table of measured variants for an adapter: its checks, its text, and the store that the front ends implement. */
import type { AdapterSummary } from '../device/device.ts';
import type { DeviceCaps } from '../device/device_caps.ts';
import type { TunedSite, Tuning } from './choose.ts';
import type { Checked } from './kernel_check.ts';

export interface TunedAdapter extends AdapterSummary {
  /** The capabilities in one line: they decide which variants are supported. */
  readonly caps: string;
}

export interface TuningTable {
  readonly format: 1;
  readonly adapter: TunedAdapter;
  /** Times by site key. */
  readonly sites: Readonly<Record<string, TunedSite>>;
  /** Results of the checks of kernels for matrix units, by op. */
  readonly checks?: Readonly<Record<string, Checked>>;
}

/** Keeps tables: in a file in Node, in IndexedDB in browsers. */
export interface TuningStore {
  /** @returns null where there is no table for this adapter, or the table cannot be used */
  load(adapter: TunedAdapter): Promise<TuningTable | null>;
  save(table: TuningTable): Promise<void>;
  clear(adapter: TunedAdapter): Promise<void>;
}

export function tunedAdapter({
  info,
  caps,
}: {
  readonly info: AdapterSummary;
  readonly caps: DeviceCaps;
}): TunedAdapter {
  // A kernel that a check left out is a result that the table holds.
  const { leftOut: _, ...probed } = caps;
  const shown = Object.entries(probed).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    caps: shown.sort().join(' '),
  };
}

/** The table with more results of checks. @param table null: nothing was kept before */
export function withChecks(
  adapter: TunedAdapter,
  table: TuningTable | null,
  checks: Readonly<Record<string, Checked>>,
): TuningTable {
  return { ...(table ?? { format: 1, adapter, sites: {} }), checks: { ...table?.checks, ...checks } };
}

/** Whether times of `a` hold for `b`: same adapter, capabilities and driver version (`description` has it). */
export function sameAdapter(a: TunedAdapter, b: TunedAdapter): boolean {
  return (
    a.vendor === b.vendor && a.architecture === b.architecture && a.caps === b.caps && a.description === b.description
  );
}

/** The table's times, none where it is of another adapter. @param source the table's place, as `reno tune --explain` shows it */
export function tuningOf(adapter: TunedAdapter, table: TuningTable | null, source: string): Tuning {
  const sites = table && sameAdapter(table.adapter, adapter) ? Object.entries(table.sites) : [];
  return new Map(sites.map(([key, site]) => [key, { ...site, source }]));
}

/** Reads a table. @throws Error, one sentence naming `where`, when it is not a table of this version */
export function parseTuning(text: string, where: string): TuningTable {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${where} is not JSON`);
  }
  return checkTuning(value, where);
}

/** The same from parsed JSON. */
export function checkTuning(value: unknown, where: string): TuningTable {
  const { format, adapter, sites, checks } = record(value);
  if (format !== 1) {
    throw new Error(`${where} is no tuning table of format 1 (its format is ${JSON.stringify(format) ?? 'missing'})`);
  }
  const { vendor, architecture, description, caps } = record(adapter);
  const names = { vendor, architecture, description, caps };
  if (!allStrings(names)) {
    throw new Error(`${where} does not say which adapter it is for`);
  }
  const found: Record<string, TunedSite> = {};
  for (const [key, site] of Object.entries(record(sites))) {
    const { variant, ns } = record(site);
    const times = Object.entries(record(ns)).filter(
      (e): e is [string, number] => typeof e[1] === 'number' && e[1] >= 0,
    );
    const isWhole = times.length === Object.keys(record(ns)).length && times.some(([name]) => name === variant);
    if (typeof variant !== 'string' || !isWhole) {
      throw new Error(`${where} has a site without a winner and its times: ${key}`);
    }
    found[key] = { variant, ns: Object.fromEntries(times) };
  }
  const checked = Object.entries(record(checks)).flatMap(([op, result]): [string, Checked][] => {
    const { hash, problem } = record(result);
    return typeof hash === 'string' && (problem === null || typeof problem === 'string')
      ? [[op, { hash, problem }]]
      : [];
  });
  const kept = checked.length > 0 ? { checks: Object.fromEntries(checked) } : {};
  return { format: 1, adapter: names, sites: found, ...kept };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function allStrings<K extends string>(of: Readonly<Record<K, unknown>>): of is Readonly<Record<K, string>> {
  return Object.values(of).every((value) => typeof value === 'string');
}

/** The table as text: one sorted line for each site, so that equal tables are equal texts. */
export function showTuning({ format, adapter, sites, checks }: TuningTable): string {
  const lines = Object.entries(sites)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { variant, ns }]) => `    ${JSON.stringify(key)}: ${JSON.stringify({ variant, ns })}`);
  const head = JSON.stringify({ format, adapter, ...(checks ? { checks } : {}) }).slice(0, -1);
  return `${head}, "sites": {${lines.length > 0 ? `\n${lines.join(',\n')}\n` : ''}}}\n`;
}
