/** 8-bit weights are requested by the flag, by a model's reno.json, or not at all. */
import { expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { settingsFrom } from '../../../src/cli/flags/settings_flags.ts';

async function weightBits(args: Record<string, string>, renoJson: object) {
  const files = memoryFiles('/weights', { 'hps/config.json': '', 'reno.json': JSON.stringify(renoJson) });
  return (await settingsFrom(args, { name: 'pocket', folder: '/weights', files })).weightBits;
}

it('are asked for by the flag or by reno.json', async () => {
  expect(await weightBits({}, {})).toBeUndefined();
  expect(await weightBits({ 'weight-bits': '8' }, {})).toBe(8);
  expect(await weightBits({}, { weightBits: 8 })).toBe(8);
});

it('are the only ones there are', async () => {
  await expect(weightBits({}, { weightBits: 4 })).rejects.toThrow(
    /reno\.json: weightBits must be 8, or absent for weights as they are stored/,
  );
});
