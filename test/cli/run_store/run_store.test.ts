import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '../../../commands/faults/crashes/memory_file_system.ts';
import type { LockSite } from '../../../src/cli/file_lock.ts';
import { keyOf } from '../../../src/cli/run_store/names.ts';
import { RunStore } from '../../../src/cli/run_store/run_store.ts';
import type { RunState } from '../../../src/reno/loop/run_state.ts';
import type { RunConfig } from '../../../src/reno/report/history.ts';

let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'reno-store-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const files = (...paths: string[]) => new Map(paths.map((path) => [path, bytes(path)]));

function state(iteration: number): RunState {
  const data = Float32Array.of(iteration, 2, 3);
  const records = Array.from({ length: iteration }, (_, i) => {
    return { iteration: i, losses: { HPS: 0.1 + i }, total: 1 / 3, regulariser: 0, norm: 1, seconds: i };
  });
  return {
    config: { prompt: 'a cat', seed: 3, nIters: 50 } as RunConfig,
    iteration,
    records,
    best: 0,
    seconds: 12.5,
    tensors: { latents: { shape: [1, 3], data } },
    gradients: [],
    initImage: Float32Array.of(0.5),
    frames: Array.from({ length: iteration }, (_, i) => ({ iteration: i, pixels: Float32Array.of(i, 1) })),
  };
}

describe('a lock', () => {
  it('names who holds the folder, and is free afterwards', () => {
    {
      using _ = RunStore.open(out);
      expect(() => RunStore.open(out)).toThrow(
        new RegExp(
          `^another run writes to ${out}: process ${process.pid} on .*, since 20.*; wait for it, or give another`,
        ),
      );
    }
    using _ = RunStore.open(out);
  });

  it('of a process that is gone is taken over, and of a later process of its number too', () => {
    const site = (pid: number, alive: Readonly<Record<number, string>>): LockSite => {
      return { host: 'here', pid, began: (other) => alive[other] };
    };
    const open = (pid: number, alive: Readonly<Record<number, string>>) =>
      RunStore.open(out, undefined, site(pid, alive));
    open(1, { 1: 'early' }); // It is never closed.
    expect(() => open(2, { 1: 'early', 2: 'later' })).toThrow('another run writes');
    open(2, { 2: 'later' });
    using _ = open(3, { 2: 'much later', 3: 'x' });
  });

  it('of another machine is never taken over, and the sentence says what to remove', () => {
    const elsewhere: LockSite = { host: 'there', pid: 1, began: () => 'x' };
    RunStore.open(out, undefined, elsewhere);
    expect(() => RunStore.open(out)).toThrow(`; if that run is over, remove ${join(out, '.reno/lock')}`);
  });

  it('works without hard links', () => {
    const fs = new MemoryFileSystem();
    fs.makeFolder('/out');
    fs.link = () => {
      throw Object.assign(new Error(), { code: 'EPERM' });
    };
    using _ = RunStore.open('/out', fs);
    expect(() => RunStore.open('/out', fs)).toThrow('another run writes to /out');
  });
});

describe('a publication', () => {
  it('takes the place of the former run of its slot, and of nothing else', () => {
    writeFileSync(join(out, 'notes.txt'), 'mine');
    using store = RunStore.open(out);
    store.publish({ slot: 'run', key: 'a', complete: true, files: files('best.png', 'iterations/000.png') });
    store.publish({ slot: 'item-1', key: 'c', complete: true, files: files('samples/1.png') });
    store.publish({ slot: 'run', key: 'b', complete: true, files: files('best.png') });
    expect(readdirSync(out).sort()).toEqual(['.reno', 'best.png', 'notes.txt', 'samples']);
    expect([store.has('run', 'a'), store.has('run', 'b'), store.has('item-1', 'c')]).toEqual([false, true, true]);
    expect(store.slots().sort()).toEqual(['item-1', 'run']);
  });

  it('is not there where a file was changed, removed, or the run was not complete', () => {
    using store = RunStore.open(out);
    const publish = (complete: boolean): void =>
      store.publish({ slot: 'run', key: 'a', complete, files: files('best.png', 'history.json') });
    publish(false);
    expect(store.has('run', 'a')).toBe(false);
    publish(true);
    expect(store.has('run', 'a')).toBe(true);
    writeFileSync(join(out, 'best.png'), '10 bytes..');
    expect(store.has('run', 'a')).toBe(false);
    publish(true);
    rmSync(join(out, 'history.json'));
    expect(store.has('run', 'a')).toBe(false);
  });

  it('never touches files outside of the folder, whatever its journal says', () => {
    const victim = join(out, 'victim');
    const inner = join(out, 'inner');
    writeFileSync(victim, 'x');
    mkdirSync(join(inner, '.reno'), { recursive: true });
    const journal = {
      format: 1,
      slot: 'run',
      key: '',
      complete: true,
      stage: 'stage-00',
      files: [],
      replaces: ['../victim'],
    };
    writeFileSync(join(inner, '.reno/journal.json'), JSON.stringify(journal));
    using _ = RunStore.open(inner);
    expect(readFileSync(victim, 'utf8')).toBe('x');
  });
});

describe('a saved state', () => {
  it('comes back whole, and only the newest is kept', async () => {
    using store = RunStore.open(out);
    for (const iteration of [1, 2, 3]) {
      store.saveState('abc0', state(iteration));
    }
    expect(await store.loadState('abc0', () => {})).toEqual(state(3));
    expect(await store.loadState('abc1', () => {})).toBeNull();
    expect(readdirSync(join(out, '.reno')).filter((name) => name.endsWith('.bin'))).toHaveLength(1 + 3);
    expect(store.unfinished()).toMatchObject([{ prompt: 'a cat', seed: 3, iteration: 3, iterations: 50 }]);
    store.dropState('abc0');
    expect(readdirSync(join(out, '.reno'))).toEqual(['lock']);
  });

  it('that is damaged is said, and the run starts anew', async () => {
    using store = RunStore.open(out);
    store.saveState('abc0', state(1));
    const blob = readdirSync(join(out, '.reno')).find((name) => name.endsWith('.bin')) ?? '';
    writeFileSync(join(out, '.reno', blob), 'x');
    const said: string[] = [];
    expect(await store.loadState('abc0', (s) => said.push(s))).toBeNull();
    expect(said.join()).toMatch(/^the saved state of this run is damaged .*; the run starts anew$/);
    expect(store.unfinished()).toEqual([]);
  });

  it('is the former or the new one, whole, at whatever call the process ends', async () => {
    const site = (pid: number): LockSite => ({
      host: 'here',
      pid,
      began: (other) => (other === pid ? 'now' : undefined),
    });
    const prepared = (): MemoryFileSystem => {
      const fs = new MemoryFileSystem();
      fs.makeFolder('/out');
      using store = RunStore.open('/out', fs, site(1));
      store.saveState('abc0', state(1));
      return fs;
    };
    const from = prepared().calls;
    const whole = prepared();
    RunStore.open('/out', whole, site(2)).saveState('abc0', state(2));
    for (let call = from; call < whole.calls; call++) {
      const fs = prepared();
      fs.onCall = (n) => (n === call ? 'crash' : 'run');
      try {
        RunStore.open('/out', fs, site(2)).saveState('abc0', state(2));
      } catch {
        // The process ended here. Where it ended while it cleaned up, nothing is thrown.
      }
      const left = call % 2 === 0 ? fs.restarted() : fs.afterPowerFailure(() => ((call * 7) % 10) / 10);
      const loaded = await RunStore.open('/out', left, site(3)).loadState('abc0', (s) => expect(s).toBe(''));
      expect([state(1), state(2)]).toContainEqual(loaded);
    }
  });
});

describe('a key', () => {
  it('does not depend on the order of settings, and on nothing left out', () => {
    expect(keyOf({ a: 1, b: { c: 2, d: [1, 2] } })).toBe(keyOf({ b: { d: [1, 2], c: 2 }, a: 1, e: undefined }));
    expect(keyOf({ a: 1 })).not.toBe(keyOf({ a: 2 }));
    expect(keyOf({ a: [1, 2] })).not.toBe(keyOf({ a: [2, 1] }));
  });
});

describe('a folder that cannot be written', () => {
  it('is one sentence', () => {
    symlinkSync('/proc', join(out, 'link'));
    expect(() => RunStore.open(join(out, 'link'))).toThrow(
      /^cannot write to the folder .*link: .*; give another one with --out$/,
    );
  });
});
