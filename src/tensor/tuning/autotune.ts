/** Times the variants of an op at one site on the real device. */
import type { Device } from '../device/device.ts';
import type { DeviceCaps } from '../device/device_caps.ts';
import type { Dispatch } from '../dispatch.ts';
import { Graph } from '../graph.ts';
import { encodeF16 } from '../half.ts';
import { allOps, type Op, type OpSite, variantNamed } from '../op.ts';
import { compile } from '../plan/compile.ts';
import type { Plan } from '../plan/plan.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { byteSize, type TensorType } from '../types.ts';
import { candidatesOf, isCurrent, siteKey, type TunedSite, type Tuning, tunable } from './choose.ts';
import { type RaceOptions, type Runner, race } from './race.ts';

export interface Site {
  readonly key: string;
  readonly op: Op;
  readonly site: OpSite;
  readonly candidates: readonly string[];
}

/** The sites of a schedule where there is a choice, each once, the most work first. Sites of the load stage, which runs once, are left out. */
export function sitesOf({ steps }: Schedule, caps: DeviceCaps): Site[] {
  const sites = new Map<string, Site>();
  for (const { node } of [...steps.step, ...steps.prompt]) {
    if (node.op) {
      const inputs = node.inputs.map((t) => t.type);
      const { op, site } = tunable(node.op, { inputs, outputs: node.outputs, attrs: node.attrs });
      const key = siteKey(op, site);
      const candidates = candidatesOf(op, site, caps);
      if (candidates.length > 1 && allOps().get(op.name) === op) {
        sites.set(key, { key, op, site, candidates });
      }
    }
  }
  const work = ({ op, site }: Site): number => op.cost(site).flops + op.cost(site).bytes;
  return [...sites.values()].sort((a, b) => work(b) - work(a));
}

export interface TuneOptions extends RaceOptions {
  /** `gpu`: timestamps. `wall`: the host's clock, for adapters without timestamps and for browsers, which round them. */
  readonly clock?: 'gpu' | 'wall';
}

/** @throws Error when the site's tensors do not fit the device */
async function tuneSite(device: Device, { op, site, candidates }: Site, options: TuneOptions = {}): Promise<TunedSite> {
  const hasTimestamps = device.gpu.features.has('timestamp-query');
  const clock = options.clock ?? (hasTimestamps ? 'gpu' : 'wall');
  const open = (variant: string, workgroups: number): Promise<Runner> =>
    openRunner(device, op, site, variant, workgroups, clock);
  const { winner, ns } = await race(candidates, open, options);
  const rounded = Object.entries(ns).map(([name, time]) => [name, Number(time.toPrecision(3))] as const);
  return { variant: winner, ns: Object.fromEntries(rounded) };
}

export interface TuneProgress {
  readonly site: Site;
  readonly index: number;
  readonly count: number;
  /** The times, or the reason why the site could not be timed. */
  readonly result: TunedSite | Error;
}

/** Times `sites` one after another. @returns the times, by the key of the site */
export async function tuneSites(
  device: Device,
  sites: readonly Site[],
  onSite: (progress: TuneProgress) => void | Promise<void> = () => {},
  options: TuneOptions & { readonly signal?: AbortSignal } = {},
): Promise<Record<string, TunedSite>> {
  const found: Record<string, TunedSite> = {};
  for (const [index, site] of sites.entries()) {
    if (options.signal?.aborted) {
      break;
    }
    let result: TunedSite | Error;
    try {
      result = await tuneSite(device, site, options);
      found[site.key] = result;
    } catch (error) {
      device.assertHealthy(); // Where the device is lost, no further site can be timed.
      result = error instanceof Error ? error : new Error(String(error));
    }
    await onSite({ site, index, count: sites.length, result });
  }
  return found;
}

/** Sites that were never timed, or were timed before the present variants existed. */
export function untuned(sites: readonly Site[], tuning: Tuning | null): Site[] {
  return sites.filter(({ key, candidates }) => {
    const known = tuning?.get(key);
    return known === undefined || !isCurrent(known, candidates);
  });
}

async function openRunner(
  device: Device,
  op: Op,
  site: OpSite,
  variant: string,
  workgroups: number,
  clock: 'gpu' | 'wall',
): Promise<Runner> {
  const whole = variantNamed(op, variant)?.dispatches(site, device.caps) ?? [];
  const cut = whole.map((dispatch) => cutTo(dispatch, workgroups));
  const counted = (dispatches: readonly Dispatch[]): number =>
    dispatches.reduce((n, { workgroups: [x, y, z] }) => n + x * y * z, 0);
  const part: Op = { ...op, variants: [{ name: variant, dispatches: () => cut }] };
  const graph = new Graph();
  const inputs = site.inputs.map((type, i) => graph.input(`x${i}`, type.shape, 'step', type.dtype));
  const outputs = graph.apply(part, inputs, site.attrs);
  const plan = await compile(device, {
    outputs: Object.fromEntries(outputs.map((t, i) => [`y${i}`, t])),
    fuse: false,
    unchecked: true,
  });
  site.inputs.forEach((type, i) => {
    plan.write(`x${i}`, someValues(type));
  });
  return {
    share: counted(cut) / counted(whole),
    time: () => (clock === 'gpu' ? stepTime(plan) : clocked(plan)),
    close: () => plan.destroy(),
  };
}

/** The dispatch with its first `most` workgroups only: part of the work, at the same speed. */
export function cutTo(dispatch: Dispatch, most: number): Dispatch {
  const [x, y, z] = dispatch.workgroups;
  const planes = Math.floor(most / (x * y));
  const rows = Math.floor(most / x);
  const workgroups: [number, number, number] =
    planes >= 1
      ? [x, y, Math.min(z, planes)]
      : rows >= 1
        ? [x, Math.min(y, rows), 1]
        : [Math.max(1, Math.min(x, Math.floor(most))), 1, 1];
  return { ...dispatch, workgroups };
}

/**
 * Nanoseconds of one run of the step stage, by GPU timestamps where the adapter has them, else by the host's clock.
 * @param clock `wall`: by the host's clock always, because browsers round timestamps to 100 µs
 */
export async function stepTime(plan: Plan, clock: 'gpu' | 'wall' = 'gpu'): Promise<number> {
  const profile = clock === 'gpu' ? await plan.profile('step') : null;
  return profile?.reduce((sum, { ns }) => sum + ns, 0) ?? clocked(plan);
}

/** Nanoseconds of one run by the host's clock, over enough runs that submitting and waiting hardly count. */
async function clocked(plan: Plan): Promise<number> {
  const enough = 4;
  for (let runs = 1; ; runs *= 4) {
    const start = performance.now();
    for (let i = 0; i < runs; i++) {
      await plan.run('step');
    }
    await plan.finished();
    const ms = performance.now() - start;
    if (ms >= enough || runs >= 256) {
      return (ms * 1e6) / runs;
    }
  }
}

const BLOCK = 4096;
const BLOCKS = {
  f32: new Uint8Array(Float32Array.from({ length: BLOCK }, (_, i) => Math.sin(i * 0.7)).buffer),
  f16: new Uint8Array(encodeF16(Float32Array.from({ length: BLOCK }, (_, i) => Math.sin(i * 0.7))).buffer),
  i32: new Uint8Array(4),
} as const;

/** Bytes of a tensor of finite, differing numbers; ids are 0. */
function someValues(type: TensorType): Uint8Array {
  const bytes = new Uint8Array(byteSize(type));
  const block = BLOCKS[type.dtype];
  for (let start = 0; start < bytes.length; start += block.length) {
    bytes.set(block.subarray(0, bytes.length - start), start);
  }
  return bytes;
}
