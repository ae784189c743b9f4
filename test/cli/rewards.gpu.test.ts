/** All five rewards by flag, each from a folder as it is published, around the pocket generator. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { History } from '../../src/reno/report/history.ts';
import { REWARD_NAMES } from '../../src/reno/rewards/index.ts';
import { inProcess } from './in_process.ts';

const root = resolve(import.meta.dirname, '../..');
let weights = '';
beforeAll(() => {
  weights = mkdtempSync(join(tmpdir(), 'reno-rewards-'));
  symlinkSync(join(root, 'weights/pocket/generator'), join(weights, 'generator'));
  for (const name of REWARD_NAMES) {
    symlinkSync(join(root, 'parity/rewards', name), join(weights, name));
  }
});
afterAll(() => rmSync(weights, { recursive: true, force: true }));

it('all five, two of them with a weight of their own', async () => {
  const out = join(weights, 'out');
  const args = ['generate', '--weights', weights, '--prompt', 'a red cat', '--n-iters', '2', '--out', out];
  const rewards = ['--rewards', 'hps,clip,pickscore,imagereward,aesthetic'];
  const weighting = ['--aesthetic-weighting', '0.1', '--clip-weighting', '0.02'];
  const { code, stderr } = await inProcess([...args, ...rewards, ...weighting]);
  expect(code, stderr.join('\n')).toBe(0);
  const history = JSON.parse(readFileSync(join(out, 'history.json'), 'utf8')) as History;
  expect(history.config.rewards.map(({ name, weight }) => [name, weight])).toEqual([
    ['HPS', 5],
    ['CLIP', 0.02],
    ['PickScore', 0.05],
    ['ImageReward', 1],
    ['Aesthetic', 0.1],
  ]);
  expect(history.iterations).toHaveLength(2);
  for (const { losses, total } of history.iterations) {
    const parts = history.config.rewards.map(({ name, weight }) => weight * (losses[name] ?? Number.NaN));
    expect(Math.abs(parts.reduce((a, b) => a + b) - total)).toBeLessThan(1e-4);
  }
});
