/** Runs the commands of docs/kernels/change-a-kernel.md as they stand. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { nullDeviceProblem } from '../../support/null_device.ts';

const folder = mkdtempSync(join(tmpdir(), 'reno-tutorial-'));
afterAll(() => rmSync(folder, { recursive: true }));

const page = readFileSync(join(PACKAGE_ROOT, 'docs/kernels/change-a-kernel.md'), 'utf8');
const blocks = [...page.matchAll(/^```sh(?: exits with (\d))?\n([\s\S]*?)^```/gm)].map(([, code = '0', text = '']) => ({
  code: Number(code),
  text,
}));
const RENO = `${process.execPath} --import ${join(PACKAGE_ROOT, 'node_modules/tsx/dist/loader.mjs')} ${join(PACKAGE_ROOT, 'commands/bin.ts')}`;
// The page promises five minutes.
it('has commands that do what the page says', { timeout: 300_000 }, () => {
  const outputs = blocks.map(({ code, text }) => {
    const script = text.replaceAll('npm run --silent reno --', RENO);
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', script], { cwd: folder, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(code);
    return stdout;
  });
  const [, original = '', changed = '', missing = '', broken = ''] = outputs;
  expect(original).toMatch(/right: output 0/);
  expect(changed).toMatch(/tile\.wgsl in its place: [\d.]+ x the speed, timed in turns\n {2}right: output 0/);
  expect(missing).toMatch(/WRONG: output 0 .* the largest error is at \[\d+,\d+\]: 0 in place of/);
  expect(
    Number(/largest error is at \[(\d+),/.exec(missing.slice(missing.indexOf('WRONG')))?.[1]),
  ).toBeGreaterThanOrEqual(384);
  expect(broken).toMatch(/broken\.wgsl:\d+:\d+: unresolved value 'tile_c'\n.*\n +\^/);
  const withoutCompiler = nullDeviceProblem();
  if (withoutCompiler === null) {
    expect(original).toContain('navi31: 144 VGPRs, 0 spilled');
    expect(changed).toMatch(/navi31: \d+ VGPRs, 0 spilled.*10 waves/);
  } else {
    console.warn(`SKIPPED what AMD's compiler says: ${withoutCompiler}`);
  }
});
