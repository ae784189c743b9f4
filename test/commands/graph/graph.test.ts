/** `reno graph` on models without their weights. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { PassRow } from '../../../commands/graph/pass_text.ts';
import { inProcess } from '../../cli/in_process.ts';

const folder = mkdtempSync(join(tmpdir(), 'reno-graph-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('reno graph', { timeout: 120_000 }, () => {
  it('shows each pass of a part, follows a tensor, and writes text and picture', async () => {
    const args = ['graph', '--part', 'vae', '--tensor', 'generator.vae', '--pass', 'stores', '--out', folder, '--json'];
    const { code, stdout } = await inProcess(args);
    expect(code).toBe(0);
    const { ok, rows } = JSON.parse(stdout.split('\n').at(-1) ?? '') as { ok: boolean; rows: { pass: string }[] };
    expect(ok).toBe(true);
    expect(rows.map(({ pass }) => pass)).toEqual(
      readdirSync(folder)
        .filter((f) => f.endsWith('.txt'))
        .map((f) => f.slice(2, -4)),
    );
    expect(stdout).toMatch(/^\d+ #\d+ step conv2d\S* .* in generator\.vae\.decoder/m);
    expect(stdout).not.toMatch(/ in generator\.unet\./);
    const page = readFileSync(join(folder, 'graph.html'), 'utf8');
    expect(page).not.toMatch(/(src|href)=/); // Nothing outside the file is needed.
    expect(page).toContain('"name":"schedule"');
  });

  it('plans a model of full size', async () => {
    const { code, stdout } = await inProcess(['graph', '--model', 'sd-turbo', '--size', '512', '--json']);
    expect(code).toBe(0);
    const { rows } = JSON.parse(stdout.split('\n').at(-1) ?? '') as { rows: PassRow[] };
    const [first, last] = [rows[0], rows.at(-1)];
    expect(first?.nodes).toBeGreaterThan(4000);
    expect(last?.nodes).toBeLessThan(3000);
    expect(last?.backward).toBeGreaterThan(0);
    expect(stdout).toMatch(/^generator\.unet +\d+ +\d+ +\d+ +\d+$/m);
  });

  it('counts what a budget makes it recompute', async () => {
    const { stdout } = await inProcess(['graph', '--budget', '36MB', '--json']);
    const { rows } = JSON.parse(stdout.split('\n').at(-1) ?? '') as { rows: PassRow[] };
    expect(rows.map(({ pass }) => pass)).toContain('layouts');
    expect(rows.at(-1)?.recomputed).toBeGreaterThan(0);
    expect(rows.at(-1)?.added).toBe(rows.at(-1)?.recomputed);
  });

  it.each([
    [['--part', 'vaee'], /no module of this run has this name \(did you mean vae\?\)/],
    [['--pass', 'layouts'], /this pass does not run here .*needs --budget or --weight-bits 8/],
    [['--depth', '0'], /--depth/],
  ])('%j is refused in one sentence', async (args, sentence) => {
    const { code, stderr } = await inProcess(['graph', ...args]);
    expect(stderr.join('\n')).toMatch(sentence);
    expect(code).toBe(2);
  });
});
