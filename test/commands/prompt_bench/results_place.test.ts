/** Stores of results: a folder and a bucket keep the same promises. `npm run test:scale -- --only bucket` has a real server. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rememberedTasks, writeTask } from '../../../commands/prompt_bench/status.ts';
import { FolderStore, failureOf, type JobStore } from '../../../commands/prompt_bench/stores/job_store.ts';
import { openPlace, openToRead } from '../../../commands/prompt_bench/stores/results_place.ts';
import { BucketStore, type ObjectStore } from '../../../commands/prompt_bench/stores/s3_store.ts';
import { inProcess } from '../../cli/in_process.ts';

const key = 'ab'.repeat(32);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (found: Uint8Array | null): string | null => found && new TextDecoder().decode(found);
const files = (content: string) =>
  new Map(['result.json', 'init.png'].map((name) => [name, bytes(`${name} ${content}`)]));

/** Objects in memory. Without conditions, a second `create` replaces the first, as on a store that does not know If-None-Match. */
function objects(hasConditions: boolean): ObjectStore & { readonly all: Map<string, Uint8Array> } {
  const all = new Map<string, Uint8Array>();
  return {
    name: 's3://bucket/prefix',
    all,
    put: async (path, content) => void all.set(path, content),
    create: async (path, content) => {
      const isFree = !hasConditions || !all.has(path);
      if (isFree) {
        all.set(path, content);
      }
      return isFree;
    },
    get: async (path) => all.get(path) ?? null,
    has: async (path) => all.has(path),
    remove: async (path) => void all.delete(path),
    list: async (folder) =>
      [...all.keys()].filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length)),
  };
}

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reno-place-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each<[string, () => JobStore]>([
  ['a folder', () => new FolderStore(folder)],
  ['a bucket', () => new BucketStore(objects(true))],
])('the results in %s', (_, open) => {
  it('are taken once: who comes second leaves the first', async () => {
    const store = open();
    expect(await store.has(key)).toBe(false);
    expect(await store.pathOf(key, 'init.png')).toBeNull();
    await store.put(key, files('first'));
    await store.put(key, files('second'));
    expect(text(await store.read(key, 'result.json'))).toBe('result.json first');
    expect(text(await store.read(key, 'init.png'))).toBe('init.png first');
    expect([...(await store.done())]).toEqual([key]);
    expect(await store.pathOf(key, 'init.png')).toMatch(new RegExp(`^jobs/.*${key}.*/init\\.png$`));
  });

  it('keep failures until the job is done', async () => {
    const store = open();
    const failure = failureOf({ key, prompt: 'p', arm: 'reno', index: 0, listSeed: 0 }, 'the loss is not finite');
    await store.fail(failure);
    expect(await store.failures()).toEqual([failure]);
    await store.succeed(key);
    expect(await store.failures()).toEqual([]);
  });
});

describe('a folder', () => {
  it('shows nothing of a result that was begun and not finished, or written twice', async () => {
    const store = new FolderStore(folder);
    writeFileSync(join(folder, 'jobs', '.stage-1'), '');
    expect((await store.done()).size).toBe(0);
    await store.put(key, files('first'));
    await store.put(key, files('second'));
    expect(readdirSync(join(folder, 'jobs')).sort()).toEqual(['.stage-1', 'ab']);
  });

  it('says in a sentence that it cannot be written', () => {
    expect(() => new FolderStore(join(folder, 'missing'))).toThrow('cannot write results to');
  });

  it('remembers its tasks, and says where there are none', async () => {
    const task = { list: 'geneval', model: 'pocket', seeds: [0], methods: ['reno'], jobs: [{ key, arm: 'reno' }] };
    await writeTask(await openPlace(folder), task);
    expect(await rememberedTasks(await openToRead(folder))).toEqual([task]);
    await expect(openToRead(join(folder, 'none')).then(rememberedTasks)).rejects.toThrow(
      'none is no folder that reno bench has written to',
    );
  });
});

describe('a bucket', () => {
  it('shows nothing of a result whose files are there, but not the object that names them', async () => {
    const there = objects(true);
    const store = new BucketStore({
      ...there,
      create: async () => {
        throw new Error('the process was killed');
      },
    });
    await expect(store.put(key, files('half'))).rejects.toThrow('killed');
    expect(there.all.size).toBe(2);
    const next = new BucketStore(there);
    expect([(await next.done()).size, await next.has(key), await next.read(key, 'init.png')]).toEqual([0, false, null]);
    await next.put(key, files('whole'));
    expect(text(await next.read(key, 'init.png'))).toBe('init.png whole');
  });

  it('leaves nothing of the result that came second', async () => {
    const there = objects(true);
    const [one, two] = [new BucketStore(there), new BucketStore(there)];
    await Promise.all([one.put(key, files('one')), two.put(key, files('two'))]);
    expect(there.all.size).toBe(3);
  });

  it('that knows no conditions holds one whole result as well', async () => {
    const there = objects(false);
    const [one, two] = [new BucketStore(there), new BucketStore(there)];
    await Promise.all([one.put(key, files('one')), two.put(key, files('two'))]);
    const read = await Promise.all(['result.json', 'init.png'].map((name) => new BucketStore(there).read(key, name)));
    expect(new Set(read.map((found) => text(found)?.split(' ')[1])).size).toBe(1);
  });

  it('must have a name that a bucket can have', async () => {
    const { code, stderr } = await inProcess(['bench', 'status', 's3://Not_A_Bucket/x']);
    expect(code).toBe(2);
    expect(stderr.join('\n')).toContain(
      'results go to an address such as s3://BUCKET/PREFIX, not "s3://Not_A_Bucket/x"',
    );
  });
});

it('--workers beside --queue is refused: it would do nothing', async () => {
  const { code, stderr } = await inProcess(['bench', 'pocket', '--workers', '2', '--queue', 'redis://localhost']);
  expect(code).toBe(2);
  expect(stderr.join('\n')).toContain('leave --workers out');
});
