/** The wait for a reader's file: each save counts once, however the editor writes it. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { saves } from '../../../commands/kernels/saves.ts';

const LONGER_THAN_A_SAVE = 600;

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reno-saves-'));
  file = join(folder, 'tile.wgsl');
  writeFileSync(file, 'first');
});
afterEach(() => rmSync(folder, { recursive: true }));

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LONGER_THAN_A_SAVE));

it.each([
  ['writes the file in two steps', () => [writeFileSync(file, ''), writeFileSync(file, 'second')]],
  [
    'replaces the file by another',
    () => [writeFileSync(join(folder, '.tile.swp'), 'second'), renameSync(join(folder, '.tile.swp'), file)],
  ],
])('an editor that %s', async (_, save) => {
  const waiting = saves(file);
  expect(await waiting.next()).toMatchObject({ done: false });
  save();
  expect(await waiting.next()).toMatchObject({ done: false });

  let again = false;
  const next = waiting.next().then(({ done }) => {
    again = !done;
  });
  writeFileSync(join(folder, 'other.wgsl'), 'another file');
  await pause();
  expect(again).toBe(false);

  const listeners = process.listenerCount('SIGINT');
  process.emit('SIGINT');
  await next;
  expect(again).toBe(false);
  expect(process.listenerCount('SIGINT')).toBeLessThan(listeners);
});
