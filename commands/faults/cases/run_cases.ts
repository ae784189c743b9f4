/** Inputs of shared/cases that a user gives to the command line; each runs the pocket models for one step. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { equal, generated, matches, missing, ran, reno, type SharedCase } from './shared_case.ts';

/** Runs `work` with a folder that is removed afterwards. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'reno-cases-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a list and returns the names of its pictures. */
function pictures(task: string, list: string, ...flags: readonly string[]): Promise<string[]> {
  return inFolder(async (out) => {
    await generated('--task', task, '--prompts', list, '--out', out, ...flags);
    return readdirSync(join(out, 'samples')).sort();
  });
}

export const RUN_CASES: readonly SharedCase[] = [
  {
    path: 'hostile/zh.txt',
    right: 'both prompts of the list have a picture, with names of at most 255 bytes',
    check: async (list) => {
      const names = await pictures('t2i-compbench', list);
      equal(names.length, 2);
      const longest = Math.max(...names.map((name) => Buffer.byteLength(name)));
      equal(longest <= 255, true);
      return `the longer name has ${longest} bytes`;
    },
  },
  {
    path: 'compbench-151',
    right: 'the whole prompt stands in the name, up to the first "_"',
    check: async (folder) => {
      const [name = ''] = await pictures('t2i-compbench', join(folder, 'list.txt'));
      const prompt = readFileSync(join(folder, 'list.txt'), 'utf8').trim();
      equal(name.split('_')[0], prompt);
      return `${prompt.length} characters`;
    },
  },
  {
    path: 'windows-names',
    right: 'names that Windows takes',
    check: async (folder) => {
      const names = await pictures('t2i-compbench', join(folder, 'list.txt'));
      equal(
        names.filter((name) => /[\\/:*?"<>|]|[. ]$/.test(name)),
        [],
      );
      return names.join('; ');
    },
  },
  {
    path: 'big-seed',
    right: 'seed 10,000,000,000 works, and 2^64 − 1 is refused with the range',
    check: async (folder) => {
      const list = join(folder, 'list.txt');
      await inFolder(async (out) => {
        await generated('--task', 'example-prompts', '--prompts', list, '--seed', '10000000000', '--out', out);
        equal(readdirSync(out).filter((name) => name.endsWith('.png')).length, 2);
      });
      const { code, stderr } = await reno('generate', '--prompt', 'a', '--seed', '18446744073709551615');
      equal(code, 2);
      return matches(stderr.trim(), /--seed must be a whole number from 0 to 2\^53 - 1, not "18446744073709551615"$/);
    },
  },
  {
    path: 'empty-prompt',
    right: 'the empty prompt runs, as in the reference',
    check: () =>
      inFolder(async (out) => {
        await generated('--prompt', '', '--out', out);
        equal(missing(out, ['best.png']), []);
        return 'it has a picture';
      }),
  },
  {
    path: 'truncated-prompt',
    right: 'what is cut is said once for each reader',
    check: (folder) =>
      inFolder(async (out) => {
        const prompt = readFileSync(join(folder, 'prompt.txt'), 'utf8').trim();
        const lines = (await generated('--prompt', prompt, '--out', out)).split('\n');
        const said = lines.filter((line) => / reads \d+ of the prompt's /.test(line));
        equal([said.length > 0, new Set(said).size], [true, said.length]);
        return matches(said.join(' '), /red car/);
      }),
  },
  {
    path: 'npm-elsewhere',
    right: "relative paths are the caller's",
    check: (folder) =>
      inFolder(async (out) => {
        const args = ['--prefix', PACKAGE_ROOT, 'run', 'reno', '--silent', '--', 'generate', '--no-optim'];
        const list = ['--task', 'example-prompts', '--prompts', join(folder, 'list.txt'), '--out', 'o'];
        const { code, stderr } = await ran('npm', [...args, ...list], out);
        equal([code, code === 0 ? '' : stderr.slice(-300)], [0, '']);
        equal(readdirSync(join(out, 'o')).filter((name) => name.endsWith('.png')).length, 2);
        return 'the pictures lie in the folder of the caller';
      }),
  },
  {
    path: 'symlink-setup',
    right: 'a tool that is started through a symbolic link runs',
    check: () =>
      inFolder(async (folder) => {
        mkdirSync(join(folder, 'real'));
        symlinkSync(join(folder, 'real'), join(folder, 'link'));
        const tool = pathToFileURL(join(PACKAGE_ROOT, 'tools/lib/main_module.mjs'));
        const program = `import { isMain } from '${tool}';\nconsole.log(isMain(import.meta.url));\n`;
        writeFileSync(join(folder, 'real/tool.mjs'), program);
        const { stdout } = await ran(process.execPath, [join(folder, 'link/tool.mjs')]);
        equal(stdout, 'true\n');
        return 'it runs';
      }),
  },
];
