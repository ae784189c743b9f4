/** `npm run build` makes a command that runs from its one file, and a page whose code needs nothing of Node. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

it('builds the command and the page', { timeout: 60_000 }, () => {
  const build = spawnSync(process.execPath, ['tools/build.mjs'], { cwd: root, encoding: 'utf8' });
  expect(build.stderr).toBe('');
  expect(build.status).toBe(0);
  const help = spawnSync(process.execPath, ['dist/cli/main.js', 'generate', '--help'], { cwd: root, encoding: 'utf8' });
  expect(help.status).toBe(0);
  expect(help.stdout).toContain('--prompt');
  const scripts = readdirSync(join(root, 'dist/web/assets')).filter((name) => name.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(1);
  for (const name of scripts) {
    const script = readFileSync(join(root, 'dist/web/assets', name), 'utf8');
    expect(script, name).not.toMatch(/from ?"node:|require\("/);
  }
});
