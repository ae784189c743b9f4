/** Settings in the page's address, and the clock of a run that pauses. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pause } from '../../src/web/engine/pause.ts';
import { namesRun, sameSettings, settingsOf, withSettingsIn } from '../../src/web/share/address.ts';
import { Store } from '../../src/web/state/store.ts';

const OTHERS = { prompt: 'others', seed: 5, iterations: 50, method: 'reno' } as const;

it('an address brings back the settings that were written into it, and keeps what else it says', () => {
  const settings = {
    prompt: 'two “red” cars & a tree?',
    seed: 4_294_967_295,
    iterations: 1,
    method: 'multi-start',
  } as const;
  const address = withSettingsIn('https://host/a/path/?tune=1&seed=3#here', settings);
  expect(address).toMatch(/^https:\/\/host\/a\/path\/\?tune=1&.*#here$/);
  const read = settingsOf(new URL(address).searchParams, OTHERS);
  expect(sameSettings(read, settings)).toBe(true);
});

it('what an address lacks or has wrong comes from elsewhere', () => {
  const read = (query: string): unknown => settingsOf(new URLSearchParams(query), OTHERS);
  expect(read('')).toEqual(OTHERS);
  expect(read('prompt=%20%20&seed=-1&iterations=0')).toEqual(OTHERS);
  expect(read('seed=1.5&iterations=501')).toEqual(OTHERS);
  expect(read('seed=x&iterations=')).toEqual(OTHERS);
  expect(namesRun(new URLSearchParams('prompt=%20&seed=3'))).toBe(false);
  expect(namesRun(new URLSearchParams('prompt=a'))).toBe(true);
});

it('a store tells of the fields that differ, and of no others', () => {
  const store = new Store({ a: 1, b: 1 });
  const seen: number[] = [];
  const stop = store.watch(['a'], ({ a }) => seen.push(a));
  store.change({ b: 2 });
  store.change({ a: 2 });
  store.change({ a: 2 });
  stop();
  store.change({ a: 3 });
  expect(seen).toEqual([1, 2]);
  expect(store.state).toEqual({ a: 3, b: 2 });
});

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('the clock of a run stands still while it is paused', () => {
  const pause = new Pause();
  const start = pause.now();
  vi.advanceTimersByTime(1000);
  pause.close();
  vi.advanceTimersByTime(60_000);
  expect(pause.now() - start).toBe(1000);
  pause.open();
  pause.open();
  vi.advanceTimersByTime(500);
  expect(pause.now() - start).toBe(1500);
});
