/** Rows, comparisons and files of a profile that was made up. */
import { describe, expect, it } from 'vitest';
import { compareProfiles } from '../../../src/tensor/profile/compare_profiles.ts';
import { coverage, GROUPINGS, groupsOf, leastTimes, profileRows } from '../../../src/tensor/profile/group_rows.ts';
import { liveBytes } from '../../../src/tensor/profile/live_bytes.ts';
import { profileCsv } from '../../../src/tensor/profile/profile_csv.ts';
import { readProfile } from '../../../src/tensor/profile/read_profile.ts';
import { median, sum } from '../../../src/tensor/tuning/median.ts';
import { at } from '../../../src/tensor/types.ts';
import { madeProfile } from '../../support/made_profile.ts';

const profile = madeProfile();

describe('rows', () => {
  it.each(GROUPINGS)('by %s hold every dispatch once, and their shares add up to the whole', (by) => {
    const members = groupsOf(profile, by, 2).flatMap((group) => group.members);
    expect([...members].sort((a, b) => a - b)).toEqual(profile.dispatches.map((_, i) => i));
    const rows = profileRows(profile, by, 2);
    expect(sum(rows.map(({ share }) => share))).toBeCloseTo(1, 12);
    expect(at(rows, rows.length - 1).cumulativeShare).toBeCloseTo(1, 12);
    expect(rows.map(({ us }) => us)).toEqual(rows.map(({ us }) => us).sort((a, b) => b - a));
  });

  it('by module tell the passes apart, to the depth that is asked for', () => {
    const keys = (depth: number): string[] => profileRows(profile, 'module', depth).map(({ key }) => key);
    expect(keys(1)).toEqual(['backward net', 'net', 'recomputed net', 'backward reward', 'reward', '(step)']);
    expect(keys(3)).toContain('backward net.block.1');
  });

  it('have rates and the share of the roofline', () => {
    const [row] = profileRows(profile, 'kernel', 2).filter(({ key }) => key === 'matmul.tile');
    const us = median([130, 130 * 1.02, 130 * 0.99, 130 * 1.01, 130 * 1.005]);
    expect(row?.us).toBeCloseTo(us, 6);
    expect(row?.gflops).toBeCloseTo(4e6 / us / 1e3, 6);
    expect(row?.gigabytesPerSecond).toBeCloseTo(8e4 / us / 1e3, 6);
    // 2 MFLOP at 100 GFLOP/s take 20 µs, 40 kB at 10 GB/s take 4 µs.
    expect(row).toMatchObject({ bound: 'arithmetic', count: 2, intensity: 50 });
    expect(row?.rooflineShare).toBeCloseTo(40 / us, 6);
    expect(row?.spreadUs).toBeCloseTo((130 * 0.03) / 2, 6);
  });

  it('by dispatch say which one it is', () => {
    const [slowest] = profileRows(profile, 'dispatch', 2);
    expect(slowest?.dispatch).toMatchObject({ index: 8, direction: 'backward', op: 'conv_backward', variant: 'tile' });
    expect(slowest?.dispatch).not.toHaveProperty('ns');
    expect(profileRows(profile, 'kernel', 2).some((row) => 'dispatch' in row)).toBe(false);
  });

  it('compare kernels on matrix units with their own peak', () => {
    const work = { flops: 2e6, matrixFlops: 6e6, bytes: 1 };
    expect(leastTimes(work, { f32: 100e9, matrix: 600e9, bytesPerSecond: 10e9 }).arithmetic).toBeCloseTo(10_000, 6);
    expect(leastTimes(work, { f32: 100e9, matrix: null, bytesPerSecond: 10e9 }).arithmetic).toBeCloseTo(20_000, 6);
  });
});

describe('the share of the busy time', () => {
  it('is that of the fastest runs', () => {
    expect(coverage(profile)).toBeCloseTo(1 / 0.98, 6);
    const slow = profile.dispatches.map((d, i) => ({ ...d, ns: d.ns.map((t, run) => (run === i % 2 ? 5 * t : t)) }));
    expect(coverage({ ...profile, dispatches: slow })).toBeCloseTo(1 / 0.98, 6);
    const disturbed = profile.passes.map(({ dispatches, ns }) => ({
      dispatches,
      ns: ns.map((t, i) => (i === 0 ? 9 * t : t)),
    }));
    expect(coverage({ ...profile, passes: disturbed })).toBeCloseTo(1 / 0.98, 6);
  });

  it('adds up the dispatches of a pass where timestamps are coarse', () => {
    const coarse = { ...profile, tickNs: 100_000 };
    const rounded = profile.dispatches.map((d, i) => ({ ...d, ns: d.ns.map((t, run) => (run === i % 5 ? 0 : t)) }));
    expect(coverage({ ...coarse, dispatches: rounded })).toBeGreaterThan(0.3);
    expect(coverage({ ...profile, dispatches: rounded })).toBe(0);
  });

  it('shows where dispatches are slower by themselves', () => {
    const passes = profile.passes.map(({ dispatches, ns }) => ({ dispatches, ns: ns.map((t) => t / 2) }));
    expect(coverage({ ...profile, passes })).toBeCloseTo(2 / 0.98, 6);
  });
});

describe('a comparison', () => {
  const changed = (slower: Readonly<Record<string, number>>, factors?: readonly number[]) =>
    compareProfiles(profile, madeProfile(factors, slower), 'kernel', 2);
  const verdicts = (slower: Readonly<Record<string, number>>, factors?: readonly number[]) =>
    Object.fromEntries(changed(slower, factors).rows.map(({ key, verdict }) => [key, verdict]));

  it('of equal profiles finds noise only', () => {
    expect(new Set(Object.values(verdicts({})))).toEqual(new Set(['noise']));
    expect(changed({}).step.verdict).toBe('noise');
    expect(changed({}).drift).toBe(1);
  });

  it('finds the kernel that changed, and its direction', () => {
    expect(verdicts({ 'matmul.tile': 1.2 })).toMatchObject({ 'matmul.tile': 'slower', 'conv.tile': 'noise' });
    expect(verdicts({ 'matmul.tile': 0.8 })).toMatchObject({ 'matmul.tile': 'faster', 'conv.tile': 'noise' });
    expect(at(changed({ 'matmul.tile': 1.2 }).rows, 0).key).toBe('matmul.tile');
  });

  it('does not count what repeated runs differ by', () => {
    // The runs of the two profiles overlap, though the medians differ by 10 %.
    expect(verdicts({}, [1.1, 1.1, 1.1, 1.1, 1.0])['conv.tile']).toBe('noise');
    // All runs are slower, but by less than 2 %.
    expect(verdicts({}, [1.021, 1.021, 1.021, 1.021, 1.021])['conv.tile']).toBe('noise');
  });

  it('decides nothing with few runs', () => {
    const few = changed({ 'matmul.tile': 3 }, [1, 1, 1, 1]);
    expect(few.decides).toBe(false);
    expect(few.rows.every(({ verdict }) => verdict === 'noise')).toBe(true);
  });

  it('decides nothing within a tick of the timestamps', () => {
    const coarse = { ...profile, tickNs: 100_000 };
    const rows = compareProfiles(coarse, madeProfile(undefined, { 'matmul.tile': 1.5 }), 'kernel', 2).rows;
    expect(rows.find(({ key }) => key === 'matmul.tile')?.verdict).toBe('noise');
  });

  it('names kernels that only one profile has', () => {
    const dispatches = profile.dispatches.map((d) => (d.kernel === 'add.vec4' ? { ...d, kernel: 'add.naive' } : d));
    const { rows } = compareProfiles(profile, { ...profile, dispatches }, 'kernel', 2);
    expect(rows.find(({ key }) => key === 'add.vec4')).toMatchObject({ verdict: 'gone', after: null });
    expect(rows.find(({ key }) => key === 'add.naive')).toMatchObject({ verdict: 'new', before: null });
  });

  it('pairs equal dispatches of one module by their order', () => {
    const { rows } = compareProfiles(profile, profile, 'dispatch', 2);
    expect(rows.length).toBe(profile.dispatches.length);
    expect(rows.every(({ before, after }) => before?.us === after?.us)).toBe(true);
  });
});

describe('live bytes', () => {
  it('are the values whose interval holds the dispatch', () => {
    const live = liveBytes(profile);
    expect(live.map(({ saved }) => saved)).toEqual([1024, 1024, 1024, 3072, 3072, 3072, 3072, 3072, 1024, 0]);
    expect(live.map(({ transient }) => transient)).toEqual([0, 64, 64, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('files', () => {
  it('CSV has a line for each dispatch, with quoted commas', () => {
    const lines = profileCsv(profile).trimEnd().split('\r\n');
    expect(lines.length).toBe(profile.dispatches.length + 1);
    expect(lines[1]).toContain(
      '0,net.block.0,forward,conv,tile,conv.tile,"x f32[1,8,8,64] y f32[1,8,8,64]",f32,8x1x1,0,100.5,',
    );
    const quoted = (line: string): number => line.replaceAll(/"[^"]*"/g, '').split(',').length;
    expect(new Set(lines.map(quoted)).size).toBe(1);
  });

  it('JSON is read back as it was', () => {
    expect(readProfile(JSON.stringify(profile), 'a.json')).toEqual(profile);
  });

  it.each([
    ['no JSON', '{', 'a.json is no JSON'],
    ['something else', '{"format":2}', 'a.json is no profile'],
    ['a later format', JSON.stringify({ ...profile, format: 3 }), 'a.json has profile format 3'],
    ['no adapter', JSON.stringify({ ...profile, adapter: null }), 'its field adapter is'],
    ['no runs', JSON.stringify({ ...profile, step: { ...profile.step, kernels: [] } }), 'its field step.kernels is'],
    [
      'a run too few',
      JSON.stringify({ ...profile, dispatches: [{ ...at(profile.dispatches, 0), ns: [1] }] }),
      'its field dispatches[0].ns is',
    ],
    [
      'a reader that is no dispatch',
      JSON.stringify({
        ...profile,
        memory: { ...profile.memory, values: [{ ...at(profile.memory.values, 0), readers: [99] }] },
      }),
      'its field memory.values[0].readers is',
    ],
  ])('with %s is one sentence', (_, text, sentence) => {
    expect(() => readProfile(text, 'a.json')).toThrow(sentence);
  });
});
