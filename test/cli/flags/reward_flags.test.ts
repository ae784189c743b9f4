/** Which rewards the flags choose, from folders as they are published. */
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { settingsFrom } from '../../../src/cli/flags/settings_flags.ts';

const PUBLISHED = {
  'hps/HPS_v2.1_compressed.pt': '',
  'clip/config.json': '',
  'pick_score/open_clip_config.json': '',
  'image_reward/med_config.json': '',
  'aesthetic/config.json': '',
};

async function rewards(args: Record<string, string | boolean>, contents: Record<string, string> = PUBLISHED) {
  const model = { name: 'pocket', folder: '/weights', files: memoryFiles('/weights', contents) };
  return (await settingsFrom(args, model)).rewards;
}
const DEFAULTS = { hps: 5, clip: 0.01, pick_score: 0.05, image_reward: 1 };

describe('the rewards of a run', () => {
  it("are those whose folders are there, with the reference's weights; aesthetic has none", async () => {
    expect(await rewards({})).toEqual(DEFAULTS);
    expect(await rewards({}, { 'hps/config.json': '' })).toEqual({ hps: 5 });
  });

  it('include aesthetic once it has a weight', async () => {
    expect(await rewards({ 'aesthetic-weighting': '0.5' })).toEqual({ ...DEFAULTS, aesthetic: 0.5 });
    expect(await rewards({ rewards: 'aesthetic', 'aesthetic-weighting': '1' })).toEqual({ aesthetic: 1 });
    expect(await rewards({}, { ...PUBLISHED, 'reno.json': '{"rewards": {"aesthetic": 2}}' })).toEqual({ aesthetic: 2 });
  });

  it('leave out what is disabled or weighs nothing', async () => {
    const { hps, clip, ...others } = DEFAULTS;
    expect(await rewards({ 'hps-weighting': '0', 'disable-clip': true })).toEqual(others);
    expect(await rewards({ rewards: 'hps,clip,aesthetic', 'disable-aesthetic': true })).toEqual({ hps, clip });
  });

  it('are asked for in one sentence when the weight or the folder is missing', async () => {
    await expect(rewards({ rewards: 'hps,aesthetic' })).rejects.toThrow(
      'reward aesthetic has no weight of its own; give --aesthetic-weighting',
    );
    await expect(rewards({ 'aesthetic-weighting': '1' }, { 'hps/config.json': '' })).rejects.toThrow(
      'model pocket has no reward aesthetic: /weights/aesthetic is not there',
    );
  });
});
