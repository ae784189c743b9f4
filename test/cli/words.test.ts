/** The command line says what is wrong in one sentence, the right exit code, no character that a terminal obeys. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { EXIT } from '../../src/cli/exit_codes.ts';
import type { Command } from '../../src/cli/flags/args.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { inProcess, printed } from './in_process.ts';

const ESC = '\u001b';

/** Runs a command that does `work`. */
function running(work: () => unknown, ...tokens: string[]) {
  const command: Command = {
    meta: { name: 'work', description: 'works' },
    args: { json: { type: 'boolean', description: 'JSON' } },
    run: async () => {
      await work();
      return EXIT.done;
    },
  };
  const root: Command = { meta: { name: 'reno', description: 'test' }, subCommands: { work: command } };
  return printed(() => runCli(root, ['work', ...tokens]));
}

const throwing = (error: unknown) => () => {
  throw error;
};

/** Recursion without an end. */
function deep(): number {
  return 1 + deep();
}

describe('a failure', () => {
  it.each([
    [new Error('the file is broken'), EXIT.failed, /^reno: the file is broken$/],
    [new UsageError('--seed is missing'), EXIT.usage, /^reno: --seed is missing$/],
    [
      new TypeError("Cannot use 'in' operator to search for 'x' in 3"),
      EXIT.internal,
      /a bug of reno \(TypeError: .*report/,
    ],
    [new Error('list.txt: x is undefined', { cause: new TypeError('x is undefined') }), EXIT.internal, /a bug of reno/],
    [new Error(''), EXIT.internal, /a bug of reno \(Error/],
    ['text', EXIT.internal, /a bug of reno \(a value: text\)/],
    [undefined, EXIT.internal, /a bug of reno/],
    [
      Object.assign(new Error('ENOTDIR: not a directory'), { code: 'ENOTDIR', syscall: 'open', path: '/etc/passwd/x' }),
      EXIT.failed,
      /^reno: \/etc\/passwd\/x: a part of the path is a file$/,
    ],
  ])('%o', async (error, code, sentence) => {
    const result = await running(throwing(error));
    expect(result.code).toBe(code);
    expect(result.stderr).toHaveLength(1);
    expect(result.stderr[0]).toMatch(sentence);
    expect(result.stdout).toBe('');
  });

  it('by "Maximum call stack size exceeded" is a bug', async () => {
    const { code, stderr } = await running(deep);
    expect(code).toBe(EXIT.internal);
    expect(stderr[0]).toMatch(/a bug of reno \(RangeError: Maximum call stack size exceeded\); please report it/);
  });

  it('has a last line of JSON where the command line asks for JSON', async () => {
    const { code, stdout } = await running(throwing(new Error(`a${ESC}[31m "b"\nc`)), '--json');
    const last = JSON.parse(stdout.split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(last).toMatchObject({ ok: false, rows: [], error: { code } });
    expect(stdout).not.toContain(ESC);
  });

  it('also for a wrong command line, and for commands that do not exist', async () => {
    for (const tokens of [
      ['generat', '--json'],
      ['generate', '--json'],
      ['plan', '--nonsense', '--json'],
    ]) {
      const { code, stdout } = await inProcess(tokens);
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code } });
      expect(code).toBe(EXIT.usage);
    }
  });

  it('shows controls, keeps one line, and cuts the middle of a long text', async () => {
    const hostile = `${ESC}[2J${'\u009b'}31m\u202e\ufeff\r\nsecond ${'x'.repeat(9000)} end`;
    const { stderr } = await running(throwing(new Error(hostile)));
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toMatch(/^reno: \\u001b\[2J\\u009b31m\\u202e\\ufeff\\u000d second x+ … \d+ characters … x+ end$/);
    expect(stderr[0]?.length).toBeLessThan(1200);
  });
});

describe('everything that a command prints', () => {
  it('shows controls, on both streams', async () => {
    const { stdout, stderr } = await running(() => {
      console.log(`a prompt with ${ESC}]0;title\u0007`);
      console.error(`two\nlines\tand ${ESC}[31m`);
    });
    expect(stdout).toBe('a prompt with \\u001b]0;title\\u0007');
    expect(stderr).toEqual(['two', 'lines\tand \\u001b[31m']);
  });

  it('is unchanged after the command', async () => {
    const { log } = console;
    await running(() => {});
    expect(console.log).toBe(log);
  });
});

describe('paths and names that cannot be', () => {
  const long = 'x'.repeat(5000);
  const generate = (...more: string[]) => ['generate', '--prompt', 'cat', '--n-iters', '1', ...more];
  it.each([
    [generate('--model', '__proto__'), EXIT.usage, /there is no model "__proto__"/],
    [generate('--rewards', '__proto__'), EXIT.usage, /there is no reward "__proto__"/],
    [['__proto__'], EXIT.usage, /there is no command/],
    [generate('--weights', long), EXIT.failed, /there is no such folder/],
    [generate('--weights', resolve(import.meta.filename)), EXIT.failed, /words.test.ts: there is no such folder/],
    [generate('--decoder', long), EXIT.usage, /--decoder: there is no folder/],
    [generate('--transfer', long), EXIT.failed, /there is no such folder/],
    [generate('--out', long), EXIT.failed, /the name is too long for the file system; give another one with --out$/],
    [generate('--out', `${import.meta.filename}/x`), EXIT.failed, /a part of the path is a file; give another one/],
    [['generate', '--task', 'geneval', '--prompts', long], EXIT.failed, /the name is too long for the file system$/],
    [['generate', '--task', 'geneval', '--prompts', '/dev/zero'], EXIT.failed, /it is a pipe or a device, not a file/],
    [['generate', '--task', 'geneval', '--prompts', tmpdir()], EXIT.failed, /it is a folder, not a file/],
    [generate('--size', '65536'), EXIT.usage, /--size must be pixels, .* from 1 to \d+ a side, not "65536"/],
    [['plan', '--size', '32768x8'], EXIT.usage, /--size must be pixels, .* from 1 to \d+ a side, not "32768x8"/],
  ])('%j', async (tokens, code, sentence) => {
    const result = await inProcess(tokens);
    expect(result.stderr.at(-1)).toMatch(sentence);
    expect(result.code).toBe(code);
  });
});

describe('flags that are repeated or change nothing', () => {
  const generate = (...more: string[]) => inProcess(['generate', '--out', '/proc/none', ...more]);

  it.each([
    [['--seed', '1', '--seed', '2'], '--seed is given twice'],
    [['-p', 'a', '--prompt', 'b'], '--prompt is given twice'],
    [['--hps-weight', '1', '--hps_weighting', '2'], '--hps-weighting is given twice'],
    [['--json', '--json'], '--json is given twice'],
  ])('%j is refused', async (flags, sentence) => {
    const { code, stderr } = await generate(...flags);
    expect(stderr[0]).toContain(sentence);
    expect(code).toBe(EXIT.usage);
  });

  it.each([
    [['--prompt', 'a', '--prompts', 'list.txt'], '--prompts has no effect without --task'],
    [['--task', 'parti-prompts', '--prompts', 'none', '--prompt', 'a'], '--prompt has no effect with --task'],
    [['--prompt', 'a', '--no-optim', '--lr', '3'], '--lr has no effect with --no-optim'],
    [['--prompt', 'a', '--imageselect', '--optim', 'adam'], '--optim has no effect with --imageselect'],
    [['--prompt', 'a', '--method', 'zeroth-order', '--lr', '3'], '--lr has no effect with --method zeroth-order'],
    [['--prompt', 'a', '--disable-hps', '--hps-weighting', '3'], '--hps-weighting has no effect with --disable-hps'],
  ])('%j is said', async (flags, sentence) => {
    const { stderr } = await generate(...flags);
    expect(stderr[0]).toContain(`warning: ${sentence}`);
  });

  it('nothing is said of flags that have their default', async () => {
    const { stderr } = await generate('--prompt', 'a');
    expect(stderr).toHaveLength(1);
  });
});

describe('lists of prompts', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'reno-lists-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['', /is empty$/],
    ['\n \n', /is empty$/],
  ])('%j is refused', async (text, sentence) => {
    const path = join(folder, 'list.txt');
    writeFileSync(path, text);
    const { code, stderr } = await inProcess(['generate', '--task', 't2i-compbench', '--prompts', path]);
    expect(stderr.at(-1)).toMatch(sentence);
    expect(code).toBe(EXIT.failed);
  });

  it.skipIf(process.platform === 'win32')('a FIFO is refused, and not waited for', async () => {
    const path = join(folder, 'fifo');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const { stderr } = await inProcess(['generate', '--task', 't2i-compbench', '--prompts', path]);
    expect(stderr.at(-1)).toMatch(/it is a pipe or a device, not a file/);
  });
});

describe.skipIf(process.platform !== 'linux')('a stdout that cannot be written', () => {
  it.each([
    ['weights', 'list'],
    ['plan', '--help'],
  ])('%s %s ends in a sentence and exit code 1', { timeout: 60_000 }, (...tokens) => {
    const root = resolve(import.meta.dirname, '../..');
    const command = `node --import tsx commands/bin.ts ${tokens.join(' ')} > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' });
    expect(stderr).toBe('reno: cannot write the output: the disk is full\n');
    expect(status).toBe(EXIT.failed);
  });
});
