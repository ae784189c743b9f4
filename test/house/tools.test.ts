/** The tools work from wherever they are started. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const library = (name: string): string => JSON.stringify(pathToFileURL(join(root, 'tools/lib', name)).href);
let work = '';
beforeAll(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), 'reno-tools-')));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

it('a script that is started through a symbolic link runs', () => {
  mkdirSync(join(work, 'real'));
  symlinkSync(join(work, 'real'), join(work, 'link'));
  const script = `import { isMain } from ${library('main_module.mjs')};\nconsole.log(isMain(import.meta.url));`;
  writeFileSync(join(work, 'real/script.mjs'), script);
  writeFileSync(join(work, 'real/other.mjs'), "import './script.mjs';");
  const run = (path: string): string =>
    spawnSync(process.execPath, [join(work, path)], { encoding: 'utf8' }).stdout.trim();
  expect(run('real/script.mjs')).toBe('true');
  expect(run('link/script.mjs')).toBe('true');
  expect(run('real/other.mjs')).toBe('false');
});

/** Evaluates `script`, which has tools/lib/exec.mjs as `tools`. @returns what it prints */
function evaluated(script: string, cwd: string, env: Readonly<Record<string, string>>): string {
  const { npm_lifecycle_event, INIT_CWD, ...own } = process.env;
  const options = { cwd, encoding: 'utf8', env: { ...own, DEBUG: '', ...env } } as const;
  const whole = `const tools = await import(${library('exec.mjs')}); ${script}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', whole], options);
  return (stdout + stderr).trim();
}

it("relative paths are the caller's: npm changes to the repository, and INIT_CWD keeps the caller's folder", () => {
  const folder = 'console.log(tools.callersFolder())';
  expect(evaluated(folder, root, { npm_lifecycle_event: 'reno', INIT_CWD: work })).toBe(work);
  expect(evaluated(folder, work, { npm_lifecycle_event: 'other', INIT_CWD: root })).toBe(work);
  expect(evaluated(folder, root, {})).toBe(root);
});

it("a command reads a relative path from the caller's folder", { timeout: 60_000 }, () => {
  writeFileSync(join(work, 'list.txt'), 'no metadata');
  const command = "['generate', '--task', 'geneval', '--prompts', 'list.txt']";
  const script = `await tools.runTypeScript('commands/bin.ts', ${command}).then(process.exit);`;
  expect(evaluated(script, root, { npm_lifecycle_event: 'reno', INIT_CWD: work })).toContain(
    'reno: list.txt: line 1 of the list is not GenEval metadata',
  );
});

it('SIGTERM ends the command that a tool runs, too', { timeout: 60_000 }, async () => {
  const waits =
    "process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); console.log('pid', process.pid);";
  writeFileSync(join(work, 'waits.ts'), waits);
  const file = JSON.stringify(relative(root, join(work, 'waits.ts')));
  const script = `const tools = await import(${library('exec.mjs')}); process.exit(await tools.runTypeScript(${file}, []));`;
  const tool = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>((resolve) => tool.stdout.once('data', (text) => resolve(String(text))));
  const pid = Number(/pid (\d+)/.exec(said)?.[1]);
  const ended = new Promise<number | null>((resolve) => tool.once('close', resolve));
  tool.kill('SIGTERM');
  expect(await ended).toBe(7);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
