/** `reno kernels` on the adapter that is here: shows, runs, and judges WGSL that a reader changed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { inProcess } from '../../cli/in_process.ts';

const folder = mkdtempSync(join(tmpdir(), 'reno-kernels-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Row {
  readonly kernel: string;
  readonly right: boolean;
  readonly ms: number;
  readonly errors: readonly { readonly nmse: number; readonly place: readonly number[]; readonly actual: number }[];
}

async function rowsOf(...args: string[]): Promise<{ code: number; stdout: string; rows: Row[] }> {
  const { code, stdout } = await inProcess(['kernels', ...args, '--json']);
  return { code, stdout, rows: (JSON.parse(stdout.split('\n').at(-1) ?? '') as { rows: Row[] }).rows };
}

/** Writes softmax's naive WGSL, changed by `change`, into a file. */
async function edited(name: string, change: (wgsl: string) => string): Promise<string> {
  const { stdout } = await inProcess(['kernels', 'show', 'softmax', '--variant', 'naive', '--wgsl']);
  const file = join(folder, name);
  const wgsl = change(stdout);
  expect(wgsl === stdout).toBe(name === 'same.wgsl');
  writeFileSync(file, wgsl);
  return file;
}

const run = (...args: string[]) =>
  rowsOf('run', 'softmax', '--variant', 'naive', '--shape', '6x9', '--runs', '2', ...args);

describe('reno kernels run', () => {
  it('compares a kernel with its reference, and times it', async () => {
    const { code, rows } = await run();
    expect(code).toBe(0);
    expect(rows[0]).toMatchObject({ kernel: 'softmax.naive', right: true });
    expect(rows[0]?.ms).toBeGreaterThan(0);
  });

  it("a reader's WGSL stands in for the kernel", async () => {
    const { code, rows } = await run('--edit', await edited('same.wgsl', (wgsl) => wgsl));
    expect(code).toBe(0);
    expect(rows).toHaveLength(2);
    expect(rows[1]?.errors[0]?.nmse).toBe(rows[0]?.errors[0]?.nmse);
  });

  it('wrong WGSL is reported as wrong, with the place of its largest error', async () => {
    const wrong = await edited('wrong.wgsl', (wgsl) =>
      wgsl.replace(
        /fn store_y\(i: u32, v: f32\) \{ y\[i\] = f32\(v\); \}/,
        'fn store_y(i: u32, v: f32) { y[i] = select(v, 7.0, i == 21u); }',
      ),
    );
    const { code, stdout, rows } = await run('--edit', wrong);
    expect(code).toBe(1);
    expect(rows[1]?.right).toBe(false);
    expect(rows[1]?.errors[0]).toMatchObject({ place: [2, 3], actual: 7 });
    expect(stdout).toMatch(/WRONG: output 0 .* the largest error is at \[2,3\]: 7 in place of 0\.\d+/);
  });

  it('an error of the compiler shows file, line and a caret', async () => {
    const file = await edited('broken.wgsl', (wgsl) =>
      wgsl.replace('fn store_y(i: u32, v: f32) { y[i]', 'fn store_y(i: u32, v: f32) { z[i]'),
    );
    const { code, stdout } = await run('--edit', file);
    const lines = readFileSync(file, 'utf8').split('\n');
    const row = lines.findIndex((line) => line.includes('z[i]'));
    const column = lines[row]?.indexOf('z[i]') ?? 0;
    expect(code).toBe(1);
    expect(stdout).toContain(
      `${file}:${row + 1}:${column + 1}: unresolved value 'z'\n${lines[row]}\n${' '.repeat(column)}^\n`,
    );
  });
});

describe('reno kernels show', () => {
  it('prints documentation, variants, cases and the final WGSL', async () => {
    const { stdout } = await inProcess(['kernels', 'show', 'layer_norm', '--variant', 'workgroup_per_row']);
    expect(stdout).toContain('LayerNorm over the last axis');
    expect(stdout).toContain('workgroup_per_row: a workgroup computes each row');
    expect(stdout).toMatch(/^@group\(0\) @binding\(0\) var<uniform> params/m);
    expect(stdout).toMatch(/ 0 {2}odd: f32\[3,7\]/);
  });
});

describe('reno kernels dump', () => {
  it('writes each kernel of a plan once, and an index', async () => {
    const out = join(folder, 'dump');
    const { code } = await inProcess(['kernels', 'dump', '--model', 'pocket', '--out', out, '--matrix']);
    expect(code).toBe(0);
    const index = JSON.parse(readFileSync(join(out, 'index.json'), 'utf8')) as {
      file: string;
      dispatches: { step: number };
    }[];
    expect(index.length).toBeGreaterThan(50);
    expect(new Set(index.map(({ file }) => file)).size).toBe(index.length);
    for (const { file } of index) {
      expect(readFileSync(join(out, file), 'utf8')).toContain('@compute');
    }
    const again = await inProcess(['kernels', 'dump', '--out', out]);
    expect(again.code).toBe(2);
    expect(again.stderr.join('\n')).toContain('is not empty');
  });
});

describe('what cannot be done is one sentence', () => {
  it.each([
    [['run', 'softmx'], /there is no op "softmx" \(did you mean .*softmax/],
    [['run'], /takes one op/],
    [['run', 'softmax', '--variant', 'v3'], /softmax has no variant "v3"; its variants are cpu_rows/],
    [['run', 'softmax', '--case', '99'], /softmax has 5 cases/],
    [['run', 'softmax', '--shape', '3xx4'], /"3xx4" is not a shape/],
    [['run', 'softmax', '--shape', '3x4,4x5'], /2 shapes are given; softmax takes 1 inputs/],
    [['run', 'matmul', '--shape', '3x4,5x6'], /a has 4 columns, b 5 rows/],
    [['run', 'matmul', '--attrs', '[1]'], /is not a JSON object/],
    [['run', 'matmul', '--attrs', '{"q":1}'], /no attribute "q"; its attributes are .*bias/],
    [['run', 'softmax', '--edit', '/nowhere.wgsl'], /there is no such file/],
    [
      ['run', 'softmax', '--edit', import.meta.filename, '--dispatch', '9'],
      /there is no dispatch 9: softmax\.\w+ has 1 here/,
    ],
    [
      ['run', 'softmax', '--edit', import.meta.filename, '--workgroups', '0x2'],
      /--workgroups "0x2" is not one to three counts/,
    ],
    [['run', 'reshape'], /it has no kernel/],
    [['dump'], /needs --out FOLDER/],
  ])('%j', async (args, sentence) => {
    const { code, stderr } = await inProcess(['kernels', ...args]);
    expect(stderr.join('\n')).toMatch(sentence);
    expect(code).toBe(2);
  });
});

it('reno kernels edit runs the file at each save, and ends with Ctrl-C', { timeout: 60_000 }, async () => {
  const file = join(folder, 'watched.wgsl');
  const command = [
    '--import',
    join(PACKAGE_ROOT, 'node_modules/tsx/dist/loader.mjs'),
    join(PACKAGE_ROOT, 'commands/bin.ts'),
  ];
  const flags = ['--variant', 'naive', '--shape', '6x9', '--runs', '2', '--file', file];
  const editing = spawn(process.execPath, [...command, 'kernels', 'edit', 'softmax', ...flags]);
  let said = '';
  editing.stdout.on('data', (text) => {
    said += text;
  });
  const ended = once(editing, 'close');
  /** The output that follows, once it matches. */
  const after = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(said)) {
      await Promise.race([once(editing.stdout, 'data'), ended.then(() => expect.fail(`it ended: ${said}`))]);
    }
    said = '';
  };
  await after(/x the speed of the original, timed in turns\n {2}right: output 0/);
  const right = readFileSync(file, 'utf8');
  writeFileSync(file, right.replace('y[i] = f32(v);', 'y[i] = select(v, 7.0, i == 21u);'));
  await after(/WRONG: output 0 .* the largest error is at \[2,3\]: 7 in place of/);
  writeFileSync(file, right.replace('y[i] = f32(v);', 'z[i] = f32(v);'));
  await after(/watched\.wgsl:\d+:\d+: unresolved value 'z'/);
  editing.kill('SIGINT');
  expect((await ended)[0]).toBe(0);
});
