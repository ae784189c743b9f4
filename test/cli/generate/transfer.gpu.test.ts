/** `reno generate --transfer`: the run's noise in a model of several steps, and what is refused before a run. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import type { History } from '../../../src/reno/report/history.ts';
import { inProcess } from '../in_process.ts';

const pocket = resolve(import.meta.dirname, '../../../weights/pocket');
/** With these rewards the second picture is the better one, so that best and first picture differ. */
const generate = ['generate', '--prompt', 'a photo of a red cat', '--n-iters', '2', '--seed', '3'];
let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'reno-transfer-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('to the generator that the noise was optimised for', () => {
  const run = async (...flags: string[]) => {
    const out = join(work, flags.join('_').replaceAll('-', '') || 'plain');
    const { code } = await inProcess([...generate, '--out', out, '--transfer', pocket, ...flags]);
    const png = (name: string) => readFileSync(join(out, name));
    const history: History = JSON.parse(readFileSync(join(out, 'history.json'), 'utf8'));
    return { code, png, history, report: readFileSync(join(out, 'report.html'), 'utf8') };
  };

  it('one step without guidance: the very pictures of the run', async () => {
    const { code, png, history, report } = await run('--steps', '1', '--guidance', '0');
    expect(code).toBe(0);
    expect(png('transfer_init.png').equals(png('init.png'))).toBe(true);
    expect(png('transfer.png').equals(png('best.png'))).toBe(true);
    expect(history.transfer).toMatchObject({ model: pocket, steps: 1, guidance: 0 });
    expect(report).toContain('(1 step)</h2>');
    expect(report).toContain('From the best noise');
  });

  it('several steps with guidance: other pictures', async () => {
    const { code, png, history, report } = await run('--steps', '3', '--guidance', '2');
    expect(code).toBe(0);
    expect(png('transfer.png').equals(png('best.png'))).toBe(false);
    expect(png('transfer.png').equals(png('transfer_init.png'))).toBe(false);
    expect(history.transfer).toMatchObject({ steps: 3, guidance: 2 });
    expect(report).toContain('(3 steps, guidance 2)</h2>');
  });
});

describe('refused in one sentence, before anything is made', () => {
  const refused: Record<string, [string[], number, RegExp]> = {
    'other latents': [
      ['--transfer', `${FIXTURES}/pipeline`],
      1,
      /the noise is \[1, 12, 12, 12\], but \S+ starts a picture of 96×96 from \[1, 4, 24, 24\]: noise can only/,
    ],
    'no such folder': [['--transfer', '/nowhere'], 1, /\/nowhere: there is no such folder; --transfer is read from it/],
    'not in the cache': [['--transfer', 'hf:nobody/nothing'], 1, /hf:nobody\/nothing is not in/],
    'no repository': [['--transfer', 'hf:nothing'], 2, /--transfer must be a folder or hf:owner\/name@revision/],
    'steps of nothing': [['--steps', '4'], 2, /--steps and --guidance are for the model of --transfer/],
    'too many steps': [['--transfer', pocket, '--steps', '1001'], 1, /1001 steps are not possible/],
    'a list of prompts': [
      ['--transfer', pocket, '--task', 'example-prompts', '--prompts', 'list.txt'],
      2,
      /--transfer goes with one --prompt, not with task example-prompts/,
    ],
  };
  it.each(Object.entries(refused))('%s', async (name, [flags, expected, sentence]) => {
    const out = join(work, name);
    const { code, stderr } = await inProcess([...generate, '--out', out, ...flags]);
    expect(stderr.filter((line) => line.startsWith('reno: '))).toEqual([expect.stringMatching(sentence)]);
    expect(code).toBe(expected);
    expect(readdirSync(work)).not.toContain(name);
  });
});
