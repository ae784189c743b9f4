/** `reno selftest`: parts run in processes of their own, are ended at their limits, and are written as they end. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flopsOf, graphOf, KERNEL_SHAPES, nameOf, QUICK_SHAPES } from '../../commands/selftest/kernel_rows.ts';
import type { Part, PartResult } from '../../commands/selftest/part.ts';
import { PARTS } from '../../commands/selftest/parts.ts';
import { RESULT_FILE, ResultFiles, resultOf, type SelftestResult } from '../../commands/selftest/result_files.ts';
import { runParts } from '../../commands/selftest/run_parts.ts';
import { selftestPage } from '../../commands/selftest/selftest_page.ts';
import { parsed, torchTimes } from '../../commands/selftest/torch_times.ts';
import { OutFolder } from '../../src/cli/generate/out_folder.ts';
import { inTurns } from '../../src/kernels/check/device_tests.ts';

const about = { tool: 'reno-webgpu 0', started: '2026-01-01T00:00:00Z', quick: true };
let folder = '';
let program = '';

const part = (name: string, quick = 10): Part => ({
  name,
  title: `Does ${name} work?`,
  limit: { full: 10, quick },
  run: async () => '',
});

/** A child with parts of all kinds. */
const CHILD = `
const { partOfThisProcess, runAsChild } = await import(${JSON.stringify(pathToFileURL(resolve(import.meta.dirname, '../../commands/selftest/run_parts.ts')).href)});
const limit = { full: 10, quick: 10 };
const row = (name, ok = true) => ({ name, ok, shown: 'some <words>', figure: 1 });
const parts = [
  { name: 'good', limit, run: async (c) => { c.row(row('a')); c.row(row('b')); return 'all is well'; } },
  { name: 'wrong', limit, run: async (c) => { c.row(row('a')); c.row(row('b', false)); return 'one row is wrong'; } },
  { name: 'throwing', limit, run: async (c) => { c.row(row('a')); throw new Error('no adapter'); } },
  { name: 'hanging', limit, run: async (c) => { c.row(row('a')); await new Promise((r) => setTimeout(r, 60)); for (;;); } },
  { name: 'dying', limit, run: async () => { console.error('a driver says why'); process.kill(process.pid, 'SIGSEGV'); await new Promise(() => {}); } },
];
process.exit(await runAsChild(partOfThisProcess(parts), { quick: true, out: '.', adapter: {} }));
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reno-selftest-'));
  program = join(folder, 'child.mjs');
  writeFileSync(program, CHILD);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (parts: readonly Part[], more: Partial<Parameters<typeof runParts>[1]> = {}): Promise<PartResult[]> =>
  runParts(parts, { quick: true, onResult: () => {}, program: [program], ...more });

describe('the parts', () => {
  it('fit in ten minutes together, and with --quick too', () => {
    const total = (kind: 'full' | 'quick'): number =>
      PARTS.filter(({ fullOnly }) => kind === 'full' || !fullOnly).reduce((n, { limit }) => n + limit[kind], 0);
    expect(total('full')).toBeLessThanOrEqual(600);
    expect(total('quick')).toBeLessThanOrEqual(600);
  });

  it('record what fails, hangs or dies, and the rest goes on', { timeout: 60_000 }, async () => {
    const wanted = [part('wrong'), part('throwing'), part('hanging', 6), part('dying'), part('good')];
    const results = await run(wanted);
    const shown = results.map(({ part: name, state, rows }) => [name, state, rows.length]);
    expect(shown).toEqual([
      ['wrong', 'failed', 2],
      ['throwing', 'failed', 1],
      ['hanging', 'cut', 1],
      ['dying', 'failed', 0],
      ['good', 'held', 2],
    ]);
    expect(results.map(({ sentence }) => sentence)).toEqual([
      'one row is wrong',
      'no adapter',
      'the part was ended at its time limit of 6 s; what it found until then is kept (rows: 1)',
      "the part's process ended by itself (signal SIGSEGV): a driver says why",
      'all is well',
    ]);
    const { ok, summary } = resultOf(about, [...wanted.map(({ name }) => name), 'later'], results);
    expect(ok).toBe(false);
    expect(summary).toBe(
      '1 of 6 parts hold; not wrong (failed), throwing (failed), hanging (cut), dying (failed); later did not begin',
    );
    expect(resultOf(about, ['good'], results.slice(-1)).ok).toBe(true);
  });

  it('are in the file as soon as they end, and rows while they run', { timeout: 60_000 }, async () => {
    const files = new ResultFiles(new OutFolder(join(folder, 'out')));
    const read = (): SelftestResult => JSON.parse(readFileSync(join(folder, 'out', RESULT_FILE), 'utf8'));
    const seen: [number, number][] = [];
    const stop = new AbortController();
    const wanted = ['good', 'hanging'];
    await run(
      wanted.map((name) => part(name)),
      {
        signal: stop.signal,
        onResult: (soFar, isRunning) => {
          files.update(resultOf(about, wanted, soFar), isRunning);
          const { parts } = read();
          seen.push([parts.length, parts.at(-1)?.rows.length ?? 0]);
          if (parts.length === 2 || soFar.length === 2) {
            stop.abort();
          }
        },
      },
    );
    // The first row of the first part is written at once, later rows at most once a second, and each end at once.
    expect(seen[0]).toEqual([1, 1]);
    expect(seen).toContainEqual([1, 2]);
    const { parts, ok, missing } = read();
    expect(parts.map(({ state }) => state)).toEqual(['held', 'cut']);
    expect(parts[1]?.sentence).toBe('the part was ended from outside; what it found until then is kept (rows: 1)');
    expect([ok, missing]).toEqual([false, []]);
  });

  it('take turns where a limit leaves some out', () => {
    expect(inTurns([[1, 2, 3], [], [4], [5, 6]])).toEqual([1, 4, 5, 2, 6, 3]);
  });
});

it('the page shows all rows, escaped', () => {
  const rows = [{ name: '<b>', ok: false, shown: 'a & b' }];
  const parts: PartResult[] = [
    { part: 'x', title: 'Is <x> right?', state: 'failed', sentence: 'no: <i>', seconds: 1, limit: 2, rows },
  ];
  const page = selftestPage(resultOf(about, ['x'], parts), new Map([['a.png', new Uint8Array([1])]]));
  for (const text of [
    'Is &#60;x&#62; right?',
    'no: &#60;i&#62;',
    '&#60;b&#62;',
    'a &#38; b',
    'data:image/png;base64,AQ==',
  ]) {
    expect(page).toContain(text);
  }
  expect(page).not.toMatch(/<i>|Is <x>|src="(?!data:)|href="(?!#)/);
});

it('the rows of the kernels are what their graphs compute', () => {
  for (const row of QUICK_SHAPES) {
    const { graph, outputs } = graphOf(row, 'f32');
    expect(graph.inputs.size, nameOf(row)).toBeGreaterThan(1);
    expect(
      Object.values(outputs).every((t) => t.dtype === 'f32'),
      nameOf(row),
    ).toBe(true);
  }
  const names = [...KERNEL_SHAPES, ...QUICK_SHAPES].map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(flopsOf({ kind: 'matmul', m: 2, k: 3, n: 5 })).toBe(60);
  expect(flopsOf({ kind: 'conv2d', size: 4, cin: 2, cout: 3 })).toBe(2 * 9 * 16 * 6);
});

describe('PyTorch', () => {
  it('is read as far as it came', () => {
    const lines = [
      '{"torch":"2.9","device":"H200"}',
      '{"name":"a","ms":1.5}',
      '{"name":"b","error":"x"}',
      '{"name":"c","m',
    ];
    expect(parsed(lines.join('\n'))).toEqual({ about: 'PyTorch 2.9 on H200', ms: new Map([['a', 1.5]]) });
    expect(parsed('{"missing":"python3 has no PyTorch"}').about).toBe('nothing was compared: python3 has no PyTorch');
    expect(parsed('').about).toBe('nothing was compared: python3 did not answer in time');
  });

  it('is asked, and an answer is one sentence', { timeout: 60_000 }, async () => {
    const { about } = await torchTimes([], 'f32', 50);
    expect(about).toMatch(/^(PyTorch \S+ on .+|(nothing was compared: .+|there is no python3 here, .+))$/);
  });
});
