/** Lists of prompts: one bad prompt never ends a list, and the empty prompt is a prompt. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inProcess } from '../in_process.ts';

let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'reno-lists-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('a list', () => {
  it('goes on after a prompt that cannot be run, records it, and says so in its exit code', async () => {
    const list = join(work, 'list.jsonl');
    const out = join(work, 'out');
    const lines = ['{"prompt": ""}', '{"prompt": 3}', '{"prompt": "a red cat"}'];
    writeFileSync(list, `\ufeff${lines.join('\r\n')}\r\n`);
    const run = ['generate', '--task', 'geneval', '--prompts', list, '--no-optim', '--rewards', 'clip'];
    const command = [...run, '--out', out, '--json'];
    const first = await inProcess(command);
    const reason = 'line 2 of the list is not GenEval metadata (JSON with a prompt)';
    const failed = [{ index: 1, prompt: '{"prompt": 3}', reason }];
    expect(first.code).toBe(1);
    expect(first.stderr).toContain(`2/3  no picture: ${reason}`);
    expect(JSON.parse(readFileSync(join(out, 'failed.json'), 'utf8'))).toEqual(failed);
    const last = JSON.parse(first.stdout.split('\n').at(-1) ?? '') as { ok: boolean; rows: unknown[] };
    expect(last.ok).toBe(false);
    expect(last.rows).toHaveLength(3);
    expect(existsSync(join(out, '00000/samples/00000.png'))).toBe(true);
    expect(existsSync(join(out, '00002/samples/00000.png'))).toBe(true);
    writeFileSync(list, lines.toSpliced(1, 1, '{"prompt": "a dog"}').join('\n'));
    expect((await inProcess(command)).code).toBe(0);
    expect(existsSync(join(out, 'failed.json'))).toBe(false);
  });
});

describe('the empty prompt', () => {
  it('is run, as in the reference', async () => {
    const { code, stdout } = await inProcess(['generate', '--prompt', '', '--no-optim', '--out', join(work, 'one')]);
    expect(stdout).toMatch(/^loss /);
    expect(code).toBe(0);
  });
});
