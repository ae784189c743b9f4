/** Runs of several steps against diffusers' schedulers (python/reference/schedulers.py), and what is refused. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { openFixture } from '../../../commands/parity/golden.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { dynamicShift, oneStepOf, type Steps, stepsOf } from '../../../src/models/schedulers/index.ts';
import { at } from '../../../src/tensor/types.ts';

interface Case {
  readonly config: { readonly _class_name: string };
  readonly given: object;
  /** FluxPipeline's way: noise levels from 1 to 1/n, shifted for so many image tokens. */
  readonly tokens: number | null;
  readonly mu: number | null;
  readonly counts: readonly number[];
}

const file = await openFixture('steps.safetensors');
const cases: Record<string, Case> = JSON.parse(file.metadata.cases ?? '{}');
const [z, weight, bias, noise] = await Promise.all(
  ['z', 'weight', 'bias', 'noise'].map((name) => readFloats(file, name)),
);

/** All latents of a run, [n+1, 8]. */
function trajectory({ initial, steps }: Steps): number[] {
  let x = Array.from(z ?? [], (v) => initial * v);
  const states = [...x];
  steps.forEach((step, k) => {
    x = x.map((v, i) => {
      const prediction = at(weight ?? [], i) * step.inputScale * v + (at(bias ?? [], i) * step.timestep) / 1000;
      const fresh = at(noise ?? [], k * x.length + i);
      return step.sample * v + step.prediction * prediction + step.noise * fresh;
    });
    states.push(...x);
  });
  return states;
}

const all = Object.entries(cases).flatMap(([name, one]) => one.counts.map((n) => ({ name, n, ...one })));

describe('as diffusers', () => {
  it.each(all)('$name, $n steps', async ({ name, n, config, given, tokens, mu }) => {
    const flux = {
      sigmas: Array.from({ length: n }, (_, i) => 1 + ((1 / n - 1) * i) / Math.max(1, n - 1)),
      mu: dynamicShift(new Config(name, config), tokens ?? 0),
    };
    const { _class_name } = config;
    // The whole config as saved, and only what differs from the defaults: ours must be diffusers'.
    for (const values of [config, { _class_name, ...given }]) {
      const made = stepsOf(new Config(name, values), n, tokens === null ? {} : flux);
      const told = made.steps.map((s) => s.timestep);
      const expected = await readFloats(file, `${name}.${n}.timesteps`);
      told.forEach((t, i) => {
        expect(Math.abs(t - at(expected, i))).toBeLessThan(1e-3);
      });
      expect(nmse(trajectory(made), await readFloats(file, `${name}.${n}`))).toBeLessThan(1e-11);
    }
    if (mu !== null) {
      expect(flux.mu).toBeCloseTo(mu, 12);
    }
  });
});

it('trailing timesteps are rounded as NumPy does: the fourth of 48 is below 937.5, not at it', () => {
  const config = new Config('s', { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' });
  const timesteps = (n: number): number[] => stepsOf(config, n).steps.map((s) => s.timestep);
  expect(timesteps(48).slice(0, 4)).toEqual([999, 978, 957, 936]);
  expect([timesteps(48)[15], timesteps(48)[27], timesteps(96)[6], timesteps(112)[7]]).toEqual([686, 436, 937, 936]);
});

it('a single step starts at pure noise whatever the dynamic shift is', () => {
  for (const time_shift_type of ['exponential', 'linear']) {
    const values = { _class_name: 'FlowMatchEulerDiscreteScheduler', use_dynamic_shifting: true, time_shift_type };
    const step = oneStepOf(new Config('s', values));
    expect(step).toEqual({ timestep: 1000, inputScale: 1, x0: { z: 1, prediction: -1 } });
    const linear = time_shift_type === 'linear';
    expect(() => stepsOf(new Config('s', values), 2, { mu: linear ? 0 : 1000 })).toThrow(/time_shift_type with mu/);
  }
});

describe('refused in one sentence', () => {
  const refused: Record<string, [object, number | number[], RegExp]> = {
    'more steps than there are': [{ _class_name: 'EulerDiscreteScheduler' }, 1001, /1001 steps are not possible/],
    'no steps': [{ _class_name: 'DDIMScheduler', clip_sample: false }, 0, /0 steps are not possible/],
    'LCM beyond its distillation': [{ _class_name: 'LCMScheduler' }, 51, /allows 1 to 50/],
    clipping: [{ _class_name: 'DDPMScheduler' }, 4, /s: clip_sample is true \(the default\)/],
    'Karras sigmas': [{ _class_name: 'EulerDiscreteScheduler', use_karras_sigmas: true }, 4, /use_karras_sigmas is/],
    'dynamic shift without mu': [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', use_dynamic_shifting: true },
      4,
      /use_dynamic_shifting is true, so that steps need mu/,
    ],
    'an offset past the end': [
      { _class_name: 'DDIMScheduler', clip_sample: false, steps_offset: 1 },
      1000,
      /timestep 1000 is outside the schedule/,
    ],
    'steps of which diffusers takes one more': [
      { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' },
      61,
      /61 steps are not possible with "trailing"/,
    ],
    'a static shift of 0': [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 0 },
      4,
      /shift must be a number from 0.001 to 1000/,
    ],
    'rising timesteps': [{ _class_name: 'LCMScheduler' }, [100, 200], /timesteps must fall/],
    'an unknown scheduler': [{ _class_name: 'HeunDiscreteScheduler' }, 4, /_class_name must be one of/],
  };
  it.each(Object.entries(refused))('%s', (_, [config, request, message]) => {
    expect(() => stepsOf(new Config('s', config), request)).toThrow(message);
  });
});
