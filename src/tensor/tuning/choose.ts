/** Chooses the variant of an op: the forced one, else the one that was fastest when timed, else the first supported. */
import { AdapterLacksError, type DeviceCaps } from '../device/device_caps.ts';
import { type Attrs, type Op, type OpSite, type Variant, variantNamed } from '../op.ts';
import { showType } from '../types.ts';
import { formerVariant } from './former_variants.ts';

/** The times of one site on one adapter. */
export interface TunedSite {
  /** The winner. */
  readonly variant: string;
  /** Nanoseconds of one run, for every variant that was supported when it was timed. */
  readonly ns: Readonly<Record<string, number>>;
  /** The table's place, as `reno tune --explain` shows it. */
  readonly source?: string;
}

/** Times by `siteKey`. */
export type Tuning = ReadonlyMap<string, TunedSite>;

export interface Wishes {
  /** Names of variants by op name. */
  readonly forced?: Readonly<Record<string, string>>;
  readonly tuning?: Tuning;
}

export interface Choice {
  readonly op: string;
  /** The site's key, without the op. */
  readonly site: string;
  readonly variant: string;
  readonly why: 'forced' | 'tuned' | 'order';
  /** Supported variants, in the op's order. */
  readonly candidates: readonly string[];
  readonly refused: readonly string[];
  /** The times in the table, whether they were used or not. */
  readonly tuned?: TunedSite;
}

/** The op and site that decide: for an op made by the planner the op inside it, because what follows costs every variant the same. */
export const tunable = (op: Op, site: OpSite): { readonly op: Op; readonly site: OpSite } => op.inner ?? { op, site };

/** The site in one line: op, types in, types out, attributes. Equal keys are equal work. */
export function siteKey(op: Op, site: OpSite): string {
  return `${op.name} ${shownSite(site)}`;
}

function shownSite({ inputs, outputs, attrs }: OpSite): string {
  const sorted = Object.fromEntries(Object.entries(attrs).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${inputs.map(showType).join(' ')} > ${outputs.map(showType).join(' ')} ${JSON.stringify(sorted)}`;
}

/** One sentence that says why `name` is no variant of `op`; null where it is one. */
export function wrongVariant(op: Op, name: string): string | null {
  if (variantNamed(op, name)) {
    return null;
  }
  const now = formerVariant(op.name, name);
  return now === undefined || !variantNamed(op, now)
    ? `${op.name} has no variant ${name}; it has ${op.variants.map((variant) => variant.name).join(', ')}`
    : `variant ${name} of ${op.name} is called ${now} now`;
}

/** The variants that can run at a site, in order of preference. */
export function supportedVariants<A extends Attrs>(
  op: Pick<Op<A>, 'name' | 'variants'>,
  site: OpSite<A>,
  caps: DeviceCaps,
): Variant<A>[] {
  const leftOut = caps.leftOut?.[op.name] ?? [];
  return op.variants.filter((variant) => !leftOut.includes(variant.name) && (variant.supports?.(site, caps) ?? true));
}

/** Names of the variants that can run at a site, in order of preference. */
export function candidatesOf(op: Op, site: OpSite, caps: DeviceCaps): string[] {
  return supportedVariants(op, site, caps).map(({ name }) => name);
}

/** Whether times are of the variants that can run now: a new, removed or renamed kernel makes them old. */
export function isCurrent(tuned: TunedSite, candidates: readonly string[]): boolean {
  return candidates.includes(tuned.variant) && candidates.every((name) => tuned.ns[name] !== undefined);
}

/**
 * Chooses the variant for a site. A forced variant that is not supported at the site is passed over.
 * @throws Error when a forced variant does not exist, or none is supported
 */
export function chooseVariant(whole: Op, wholeSite: OpSite, caps: DeviceCaps, wishes: Wishes = {}): Choice {
  const { op, site } = tunable(whole, wholeSite);
  const forced = wishes.forced?.[op.name];
  const wrong = forced === undefined ? null : wrongVariant(op, forced);
  if (wrong !== null) {
    throw new Error(wrong);
  }
  const all = op.variants.map(({ name }) => name);
  const candidates = candidatesOf(op, site, caps);
  const first = candidates[0];
  if (first === undefined) {
    throw new AdapterLacksError(`${op.name} has no variant for this adapter; it has ${all.join(', ')}`);
  }
  const shown = shownSite(site);
  const tuned = candidates.length > 1 ? wishes.tuning?.get(`${op.name} ${shown}`) : undefined;
  const about = {
    op: op.name,
    site: shown,
    candidates,
    refused: all.filter((name) => !candidates.includes(name)),
    ...(tuned ? { tuned } : {}),
  };
  if (forced !== undefined && candidates.includes(forced)) {
    return { ...about, variant: forced, why: 'forced' };
  }
  return tuned && isCurrent(tuned, candidates)
    ? { ...about, variant: tuned.variant, why: 'tuned' }
    : { ...about, variant: first, why: 'order' };
}

/** A short record of the kernels that a plan runs: equal hashes mean the same variants at the same sites. */
export interface KernelRecord {
  readonly hash: string;
  /** Numbers of sites: all, those whose variant comes from a tuning table, and those whose variant is forced. */
  readonly sites: number;
  readonly tuned: number;
  readonly forced: number;
}

export function kernelRecord(choices: Iterable<Choice>): KernelRecord {
  const all = [...choices];
  const lines = all.map(({ op, site, variant }) => `${op} ${site} ${variant}`).sort();
  const count = (why: Choice['why']): number => all.filter((choice) => choice.why === why).length;
  return { hash: fnv1a(lines.join('\n')), sites: all.length, tuned: count('tuned'), forced: count('forced') };
}

/** FNV-1a, 64 bits, of UTF-16 code units, as hexadecimal. */
export function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = ((hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash.toString(16).padStart(16, '0');
}
