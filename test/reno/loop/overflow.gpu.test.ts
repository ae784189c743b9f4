/** f16 overflows in a module, forward or backward: it is found, and that module alone is stored as f32. */
import { expect, it } from 'vitest';
import { difference } from '../../../commands/faults/device/device_trial.ts';
import { SMALLEST_SETTINGS, smallestModel } from '../../../commands/faults/device/smallest_model.ts';
import { Reno } from '../../../src/reno/session.ts';
import { withSettings } from '../../../src/reno/settings/settings.ts';
import { openSteadyReno } from '../../../src/reno/steady_reno.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { testDevice } from '../../support/test_device.ts';

const VAE = 'generator/vae/diffusion_pytorch_model.safetensors decoder';
const RUN = { prompt: 'a cat', seed: 1 };

it.each([
  {
    // Two convolutions whose results reach 1e5; the norm behind each brings them back.
    factors: { 'up_blocks.0.resnets.0.conv1.weight': 1e5, 'up_blocks.1.resnets.0.conv1.weight': 1e5 },
    places: [
      'conv2d in generator.vae.decoder.up_blocks.0.resnets.0',
      'conv2d in generator.vae.decoder.up_blocks.1.resnets.0',
    ],
    modules: ['generator.vae.decoder.up_blocks.0.resnets.0', 'generator.vae.decoder.up_blocks.1.resnets.0'],
  },
  {
    // A norm of tiny values: its gradient is a million times larger.
    factors: { 'conv_in.weight': 1e-4, 'conv_in.bias': 1e-4, 'mid_block.resnets.0.norm1.weight': 3000 },
    places: ['group_norm_backward in backward generator.vae.decoder.mid_block.resnets.0'],
    modules: ['generator.vae.decoder'],
  },
])('an overflow in $places raises $modules', { timeout: 60_000 }, async ({ factors, places, modules }) => {
  const files = smallestModel(Object.fromEntries(Object.entries(factors).map(([key, n]) => [`${VAE}.${key}`, n])));
  const settings = withSettings(SMALLEST_SETTINGS, { dtype: 'f16', nIters: 2 });
  const said: string[] = [];
  using steady = await openSteadyReno({
    openDevice: () => testDevice(),
    openReno: (device, changes) => Reno.open(device, 'smallest', files, withSettings(settings, changes)),
    say: (sentence) => said.push(sentence),
  });
  const made = await steady.generate(RUN);
  const sentences = places.map(
    (place, i) =>
      `the gradient of the noise became NaN at iteration 0, because f16 overflowed in ${place}: the run begins again with --f32-modules ${modules.slice(0, i + 1).join(',')}`,
  );
  expect(said).toEqual(sentences);
  expect(made.trajectory.stopped).toBeNull();
  expect(made.history.config).toMatchObject({ dtype: 'f16', f32Modules: modules });
  expect(difference(made, await fromTheStart(steady.device, files, { ...settings, f32Modules: modules }))).toBeNull();
  // The next run begins as it was asked for: its bytes do not depend on the runs before it.
  expect(difference(await steady.generate(RUN), made)).toBeNull();
  expect(said).toEqual([...sentences, ...sentences]);
});

/** The run with a setting that was given before it began. */
async function fromTheStart(
  device: Device,
  ...[files, settings]: [Parameters<typeof Reno.open>[2], Parameters<typeof Reno.open>[3]]
) {
  using reno = await Reno.open(device, 'smallest', files, settings);
  return await reno.generate(RUN);
}
