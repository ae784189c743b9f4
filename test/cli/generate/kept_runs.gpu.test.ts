/** Runs that are disturbed from outside: what they keep, what they say, and how they go on. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inProcess } from '../in_process.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
/** One reward is enough for what is kept, and the networks are opened for every command. */
const ONE_REWARD = ['--rewards', 'clip'];
const ITERATIONS = 24;
const seeded = (seed: number): string[] => {
  const run = ['generate', '--prompt', 'a photo of a red cat', '--seed', `${seed}`, '--n-iters', `${ITERATIONS}`];
  return [...run, '--no-times', ...ONE_REWARD];
};
const RUN = seeded(4);

let work = '';
let calm = '';
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'reno-kept-'));
  calm = join(work, 'calm');
  expect((await inProcess([...RUN, '--out', calm])).code).toBe(0);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

function contents(folder: string): Map<string, string> {
  const names = readdirSync(folder).filter((name) => name !== '.reno');
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}

/** Starts the command, and calls `disturb` once it has printed `sign`, by default its first iteration. */
function disturbed(args: readonly string[], disturb: (child: ReturnType<typeof spawn>) => void, sign = 'iteration 1/') {
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'commands/bin.ts'), ...args], { cwd: ROOT });
  let stderr = '';
  let isDisturbed = false;
  child.stderr.on('data', (text) => {
    stderr += String(text);
    if (!isDisturbed && stderr.includes(sign)) {
      isDisturbed = true;
      disturb(child);
    }
  });
  return new Promise<{ code: number | null; stderr: string }>((done) => {
    child.once('close', (code) => done({ code, stderr }));
  });
}

describe('a run that is interrupted', () => {
  it('keeps its best picture and its state, and the same command ends in the same bytes', async () => {
    const out = join(work, 'term');
    const { code, stderr } = await disturbed([...RUN, '--out', out], (child) => child.kill('SIGTERM'));
    expect(stderr).toMatch(
      /reno: the run was interrupted before iteration \d+ \(SIGTERM\); the best picture until then/,
    );
    expect(code).toBe(143);
    expect(existsSync(join(out, 'best.png'))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'history.json'), 'utf8'))).toMatchObject({ config: { seed: 4 } });
    const other = await inProcess([...seeded(5), '--out', out, '--resume']);
    expect(other.stderr.at(-1)).toMatch(
      /has no unfinished run of this prompt, seed, model and settings, but of "a photo of a red cat" with seed 4, \d+ of 24/,
    );
    const again = await inProcess([...RUN, '--out', out, '--resume']);
    expect(again.stderr.join('\n')).toMatch(/goes on from iteration \d+ of 24/);
    expect(again.code).toBe(0);
    expect(contents(out)).toEqual(contents(calm));
    expect((await inProcess([...RUN, '--out', out, '--resume'])).stdout).toMatch(/^this run is complete already: /);
  });

  it.skipIf(process.platform === 'win32')('by a closed output keeps them too', async () => {
    const out = join(work, 'pipe');
    const { code } = await disturbed([...RUN, '--out', out], (child) => child.stderr?.destroy());
    expect(code).toBe(141);
    expect(existsSync(join(out, 'best.png'))).toBe(true);
    expect((await inProcess([...RUN, '--out', out])).stderr.join('\n')).toMatch(/goes on from iteration/);
    expect(contents(out)).toEqual(contents(calm));
  });
});

describe('a full disk', () => {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
  /** Calls `use` with a folder of its own file system, and a function that fills that up but for some bytes. */
  const onSmallDisk = async (name: string, use: (out: string, fill: (left: number) => void) => Promise<void>) => {
    const out = join(work, name);
    spawnSync('mkdir', [out]);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', out]).status !== 0) {
      return; // A container may not mount.
    }
    try {
      await use(out, (left) => {
        const { bavail, bsize } = statfsSync(out);
        writeFileSync(join(out, 'filler'), new Uint8Array(bavail * bsize - left));
      });
    } finally {
      spawnSync('umount', [out]);
    }
  };

  it.skipIf(!isRoot)('is one sentence, and the former run stays', async () => {
    await onSmallDisk('full', async (out, fill) => {
      cpSync(calm, out, { recursive: true });
      const before = contents(out);
      fill(40_000);
      const { code, stderr } = await inProcess([...seeded(6), '--out', out]);
      expect(stderr.at(-1)).toMatch(/^reno: cannot write the files of the run to .*: the disk is full$/);
      expect(code).toBe(1);
      const { filler: _, ...after } = Object.fromEntries(contents(out));
      expect(after).toEqual(Object.fromEntries(before));
    });
  });

  it.skipIf(!isRoot)('ends a list with one sentence, and its pictures stay', async () => {
    const list = join(work, 'two.txt');
    const run = (out: string) =>
      inProcess(['generate', '--task', 'parti-prompts', '--prompts', list, '--no-optim', ...ONE_REWARD, '--out', out]);
    await onSmallDisk('full-list', async (out, fill) => {
      writeFileSync(list, 'Prompt\na photo of a dog\n');
      expect((await run(out)).code).toBe(0);
      const picture = readFileSync(join(out, '0/best_image.png'));
      writeFileSync(list, 'Prompt\na photo of a dog\na photo of two cars\n');
      fill(4096);
      const { code, stderr } = await run(out);
      expect(stderr.at(-1)).toMatch(/^reno: cannot write the files of the run to .*: the disk is full$/);
      expect(code).toBe(1);
      expect(readFileSync(join(out, '0/best_image.png')).equals(picture)).toBe(true);
      rmSync(join(out, 'filler'));
      expect((await run(out)).code).toBe(0);
      expect(existsSync(join(out, '1/best_image.png'))).toBe(true);
    });
  });
});

describe('a list', () => {
  it('that is ended by a signal keeps its pictures, and the same command makes the others', async () => {
    const list = join(work, 'three.txt');
    writeFileSync(list, 'Prompt\na photo of a dog\na photo of two cars\na photo of a red cat\n');
    const command = (out: string): string[] => {
      const run = ['generate', '--task', 'parti-prompts', '--prompts', list, '--n-iters', '4', ...ONE_REWARD];
      return [...run, '--out', join(work, out)];
    };
    const ended = await disturbed(command('ended'), (child) => child.kill('SIGINT'), '1/3 ');
    expect(ended.stderr).toContain('reno: the list was interrupted (SIGINT); the same command goes on from there');
    expect(ended.code).toBe(130);
    const first = readFileSync(join(work, 'ended/0/best_image.png'));
    expect(existsSync(join(work, 'ended/2/best_image.png'))).toBe(false);
    expect((await inProcess(command('ended'))).code).toBe(0);
    expect((await inProcess(command('whole'))).code).toBe(0);
    expect(readFileSync(join(work, 'ended/0/best_image.png')).equals(first)).toBe(true);
    for (const i of [0, 1, 2]) {
      const picture = (out: string): Buffer => readFileSync(join(work, out, `${i}/best_image.png`));
      expect(picture('ended').equals(picture('whole'))).toBe(true);
    }
  });

  it('makes a picture again whose file, seed or prompt is another one', async () => {
    const list = join(work, 'list.txt');
    const out = join(work, 'list');
    writeFileSync(list, 'a photo of a dog\n');
    const command = ['generate', '--task', 'parti-prompts', '--prompts', list, '--no-optim', ...ONE_REWARD];
    const run = (...more: string[]) => inProcess([...command, '--out', out, ...more]);
    writeFileSync(list, 'Prompt\na photo of a dog\n');
    expect((await run()).stdout).toMatch(/^1 prompts: /);
    expect((await run()).stdout).toBe('all 1 pictures were there already');
    const picture = join(out, '0/best_image.png');
    const right = readFileSync(picture);
    writeFileSync(picture, '10 bytes..');
    expect((await run()).stdout).toMatch(/^1 prompts: /);
    expect(readFileSync(picture).equals(right)).toBe(true);
    expect((await run('--seed', '1')).stdout).toMatch(/^1 prompts: /);
    expect(readFileSync(picture).equals(right)).toBe(false);
    writeFileSync(list, 'Prompt\na photo of two cars\n');
    expect((await run('--seed', '1')).stdout).toMatch(/^1 prompts: /);
    expect(readFileSync(join(out, '0/prompt.txt'), 'utf8')).toBe('a photo of two cars\n');
  });
});
