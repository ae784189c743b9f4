/** Precedence of what decides on a variant, and the race that fills the table, without a GPU. */
import { describe, expect, it } from 'vitest';
import '../../../src/kernels/index.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import type { Dispatch } from '../../../src/tensor/dispatch.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { OpSite } from '../../../src/tensor/op.ts';
import { opNamed } from '../../../src/tensor/op.ts';
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import { cutTo, sitesOf, untuned } from '../../../src/tensor/tuning/autotune.ts';
import { chooseVariant, kernelRecord, siteKey, type Tuning } from '../../../src/tensor/tuning/choose.ts';
import { type OpenRunner, race } from '../../../src/tensor/tuning/race.ts';

const CAPS: DeviceCaps = {
  f16: true,
  subgroups: true,
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  software: true,
  maxWorkgroupStorage: 32768,
  maxInvocations: 1024,
  maxStorageBuffers: 16,
};
const matmul = opNamed('matmul');
const siteOf = (n: number): OpSite => ({
  inputs: [
    { dtype: 'f32', shape: [8, 16] },
    { dtype: 'f32', shape: [16, n] },
  ],
  outputs: [{ dtype: 'f32', shape: [8, n] }],
  attrs: { bias: false, residual: false },
});
const all = matmul.variants.map(({ name }) => name);
const supportedAt = (n: number): string[] => chooseVariant(matmul, siteOf(n), CAPS).candidates.slice();

/** A table that says `variant` for n = 12. */
function tableOf(variant: string, timed = supportedAt(12)): Tuning {
  const ns = Object.fromEntries(timed.map((name) => [name, name === variant ? 1 : 2]));
  return new Map([[siteKey(matmul, siteOf(12)), { variant, ns }]]);
}

describe('which variant runs', () => {
  it('is the first supported where nothing is known', () => {
    expect(chooseVariant(matmul, siteOf(12), CAPS)).toMatchObject({ variant: supportedAt(12)[0], why: 'order' });
    expect(chooseVariant(matmul, siteOf(7), CAPS)).toMatchObject({ variant: 'naive', why: 'order' });
  });

  it('is the tuned one at its own site alone', () => {
    expect(chooseVariant(matmul, siteOf(12), CAPS, { tuning: tableOf('naive') })).toMatchObject({
      variant: 'naive',
      why: 'tuned',
    });
    expect(chooseVariant(matmul, siteOf(16), CAPS, { tuning: tableOf('naive') }).why).toBe('order');
  });

  it('is the forced one before the tuned one, where it is supported', () => {
    const wishes = { forced: { matmul: 'cpu_tile_4x8' }, tuning: tableOf('naive') };
    expect(chooseVariant(matmul, siteOf(12), CAPS, wishes)).toMatchObject({ variant: 'cpu_tile_4x8', why: 'forced' });
    // cpu_tile_4x8 works on columns in fours: at 7 columns it would compute something else.
    expect(chooseVariant(matmul, siteOf(7), CAPS, wishes)).toMatchObject({ variant: 'naive', why: 'order' });
    expect(() => chooseVariant(matmul, siteOf(12), CAPS, { forced: { matmul: 'v99' } })).toThrow(
      /matmul has no variant v99; it has/,
    );
  });

  it('is not one whose times are of other candidates, or that is not supported here', () => {
    const old = tableOf('naive', supportedAt(12).slice(1));
    expect(chooseVariant(matmul, siteOf(12), CAPS, { tuning: old })).toMatchObject({ why: 'order' });
    const gpu = { ...CAPS, software: false };
    expect(chooseVariant(matmul, siteOf(12), gpu, { tuning: tableOf('cpu_tile_4x8', all) }).variant).not.toBe(
      'cpu_tile_4x8',
    );
  });

  it('is not one of a table from before variants had names', () => {
    const old = tableOf('v2', ['v7', 'v5', 'v2', 'v3', 'v1']);
    expect(chooseVariant(matmul, siteOf(12), CAPS, { tuning: old })).toMatchObject({
      variant: supportedAt(12)[0],
      why: 'order',
    });
  });

  it('is not one by its old name, which gets a sentence that says the new one', () => {
    const forced = (name: string, variant: string) => (): unknown =>
      chooseVariant(opNamed(name), siteOf(12), CAPS, { forced: { [name]: variant } });
    expect(forced('conv2d', 'v3')).toThrow(/^variant v3 of conv2d is called gpu_tile now$/);
    expect(forced('add', 'v2')).toThrow(/^variant v2 of add is called vec4 now$/);
    expect(forced('reshape', 'v2')).toThrow(/^reshape has no variant v2; it has naive$/);
  });

  it('goes into the schedule and its record', () => {
    const graph = new Graph();
    const inputs = siteOf(12).inputs.map(({ shape }, i) => graph.input(`x${i}`, shape, 'step'));
    const y = matmul.one(inputs, siteOf(12).attrs);
    const plain = createSchedule({ outputs: { y } }, CAPS);
    const tuned = createSchedule({ outputs: { y }, tuning: tableOf('naive') }, CAPS);
    expect(tuned.steps.step[0]?.dispatch.label).toBe('matmul.naive');
    expect(plain.steps.step[0]?.dispatch.label).not.toBe('matmul.naive');
    expect(kernelRecord(tuned.choices.values())).toMatchObject({ sites: 1, tuned: 1, forced: 0 });
    expect(kernelRecord(tuned.choices.values()).hash).not.toBe(kernelRecord(plain.choices.values()).hash);
    // The hash is of what runs, not of why.
    const forced = createSchedule({ outputs: { y }, variants: { matmul: 'naive' } }, CAPS);
    expect(kernelRecord(forced.choices.values()).hash).toBe(kernelRecord(tuned.choices.values()).hash);
    const sites = sitesOf(plain, CAPS);
    expect(sites.map(({ key }) => key)).toEqual([siteKey(matmul, siteOf(12))]);
    expect(untuned(sites, tableOf('naive'))).toEqual([]);
    expect(untuned(sites, tableOf('naive', ['naive']))).toEqual(sites);
  });
});

describe('a race', () => {
  /** Pretends: each way has so many workgroups of so many ns; counts what was spent on each. */
  function pretend(ways: Readonly<Record<string, { each: number; workgroups: number; noise?: readonly number[] }>>) {
    const spent: Record<string, number> = {};
    const open: OpenRunner = async (name, most) => {
      const way = ways[name] ?? { each: 0, workgroups: 1 };
      const run = Math.min(way.workgroups, most);
      let turn = 0;
      return {
        share: run / way.workgroups,
        time: async () => {
          const ns = run * way.each * (way.noise?.[turn++ % way.noise.length] ?? 1);
          spent[name] = (spent[name] ?? 0) + ns;
          return ns;
        },
        close: () => {},
      };
    };
    return { open, spent };
  }

  it('is won by the fastest', async () => {
    const { open } = pretend({ a: { each: 2e3, workgroups: 100 }, b: { each: 1e3, workgroups: 100 } });
    expect(await race(['a', 'b'], open)).toEqual({ winner: 'b', ns: { a: 2e5, b: 1e5 } });
  });

  it('keeps the order where the gain is small', async () => {
    const { open } = pretend({ a: { each: 1e3, workgroups: 100 }, b: { each: 0.97e3, workgroups: 100 } });
    expect((await race(['a', 'b'], open)).winner).toBe('a');
  });

  it('is not decided by busy moments', async () => {
    const noise = [1, 1, 9, 1, 20, 1, 1];
    const { open } = pretend({ a: { each: 1e3, workgroups: 100, noise }, b: { each: 1.2e3, workgroups: 100 } });
    expect((await race(['a', 'b'], open)).winner).toBe('a');
  });

  it('drops a variant that is far slower: hours of it cost milliseconds', async () => {
    const { open, spent } = pretend({ good: { each: 1e4, workgroups: 1e3 }, hours: { each: 1e4, workgroups: 1e9 } });
    const { winner, ns } = await race(['hours', 'good'], open);
    expect(winner).toBe('good');
    expect(ns.hours).toBeCloseTo(1e13, -10);
    expect(spent.hours).toBeLessThan(0.5e9);
  });

  it('times what is long by a part', async () => {
    const { open, spent } = pretend({ a: { each: 1e5, workgroups: 1e6 }, b: { each: 0.5e5, workgroups: 1e6 } });
    expect((await race(['a', 'b'], open)).winner).toBe('b');
    expect(spent.a).toBeLessThan(5e9); // of 100 s for one run
  });
});

it('a dispatch is cut to its first workgroups', () => {
  const dispatch = { workgroups: [10, 20, 3] } as unknown as Dispatch;
  const cut = (most: number) => cutTo(dispatch, most).workgroups;
  expect(cut(Number.POSITIVE_INFINITY)).toEqual([10, 20, 3]);
  expect([cut(450), cut(64), cut(4), cut(0.5)]).toEqual([
    [10, 20, 2],
    [10, 6, 1],
    [4, 1, 1],
    [1, 1, 1],
  ]);
});
