/**
 * The first ten iterations of ReNO on the pocket models against PyTorch's (python/pocket96/fixtures.py).
 * PyTorch draws the noise; everything after it is ours. The fixture's seed is one for which PyTorch's own f32 and f64 agree
 * (python/reference/loop_conditioning.py): where a picture is about to change, ten steps amplify any rounding past 1e-4.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine } from '../../commands/common/distances.ts';
import { openSafetensors, type SafetensorsFile } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import { fileSource, nodeFiles } from '../../src/platform/node/node_files.ts';
import { runLoop, type StepRunner, type Trajectory } from '../../src/reno/loop/loop.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings/settings.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { at } from '../../src/tensor/types.ts';
import { testDevice } from '../support/test_device.ts';

const root = resolve(import.meta.dirname, '../..');
const ITERATIONS = 10;
/** Loss names of the fixture, by the name the reward reports. */
const LOSSES = { HPS: 'loss_hps', CLIP: 'loss_clip', ImageReward: 'loss_image_reward' } as const;

interface About {
  readonly prompt: string;
  readonly hyperparameters: {
    readonly lr: number;
    readonly optim: 'sgd' | 'adam';
    readonly gradClip: number;
    readonly momentum: number;
    readonly adamEps: number;
    readonly regWeight: number;
    readonly rewards: { readonly hps: number; readonly clip: number; readonly image_reward: number };
  };
}

let device: Device;
let fixture: SafetensorsFile;
let trajectory: Trajectory;
const gradients: Promise<Float32Array>[] = [];
const latents: Promise<Float32Array>[] = [];

beforeAll(async () => {
  device = await testDevice();
  fixture = await openSafetensors(await fileSource(resolve(root, 'parity/pocket_loop.safetensors')));
  const about = JSON.parse(readFileSync(resolve(root, 'parity/pocket_loop.json'), 'utf8')) as About;
  const files = nodeFiles(resolve(root, 'weights/pocket'));
  const { nIters: _, ...hyperparameters } = about.hyperparameters as About['hyperparameters'] & { nIters: number };
  using reno = await Reno.open(device, 'pocket', files, { ...(await readSettings(files)), ...hyperparameters });
  await reno.setPrompt(about.prompt);
  const { plan } = reno;
  const watched: StepRunner = {
    write: (name, data) => plan.write(name, data),
    read: (name) => plan.read(name),
    run: (stage) => {
      plan.run(stage);
      gradients.push(plan.read('noise_gradient'));
      latents.push(plan.read('latents'));
    },
  };
  const z0 = await readFloats(fixture, 'z0');
  trajectory = await runLoop(watched, reno.step, { iterations: ITERATIONS, noise: (i) => (i === 0 ? z0 : null) });
  await Promise.all([...gradients, ...latents]);
}, 300_000);
afterAll(() => device?.destroy());

const relative = (got: number, want: number): number => Math.abs(got - want) / Math.abs(want);

/** Entry i of a stacked tensor. */
const entry = (all: Float32Array, i: number): Float32Array =>
  all.subarray((i * all.length) / ITERATIONS, ((i + 1) * all.length) / ITERATIONS);

describe('ten iterations of ReNO, beside PyTorch', () => {
  it('have each reward within 1e-4 and their weighted sum too', async () => {
    const total = await readFloats(fixture, 'reward_loss');
    expect(total).toHaveLength(ITERATIONS);
    for (const [name, key] of Object.entries(LOSSES)) {
      const want = await readFloats(fixture, key);
      trajectory.records.forEach((record, i) => {
        expect(relative(record.losses[name] ?? Number.NaN, at(want, i)), `${name} at iteration ${i}`).toBeLessThan(
          1e-4,
        );
      });
    }
    trajectory.records.forEach((record, i) => {
      expect(relative(record.total, at(total, i)), `weighted loss at iteration ${i}`).toBeLessThan(1e-4);
    });
  });

  it('have gradients to the noise that point the same way, cosine at least 0.9999', async () => {
    const want = await readFloats(fixture, 'grad');
    for (const [i, gradient] of (await Promise.all(gradients)).entries()) {
      expect(cosine(gradient, entry(want, i)), `gradient at iteration ${i}`).toBeGreaterThanOrEqual(0.9999);
    }
  });

  it('have the same gradient norms and leave the same noise behind', async () => {
    const norms = await readFloats(fixture, 'grad_norm');
    const z = await readFloats(fixture, 'z');
    for (const [i, noise] of (await Promise.all(latents)).entries()) {
      expect(relative(at(trajectory.records, i).gradNorm ?? Number.NaN, at(norms, i)), `norm at ${i}`).toBeLessThan(
        1e-2,
      );
      expect(cosine(noise, entry(z, i)), `noise after iteration ${i}`).toBeGreaterThanOrEqual(0.999999);
    }
  });
});
