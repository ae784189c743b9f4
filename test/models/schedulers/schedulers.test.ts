/** One step of each scheduler against diffusers' own (python/reference/networks.py), and against the paper's numbers. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { openFixture } from '../../../commands/parity/golden.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { modelInput, oneStepOf, predictX0 } from '../../../src/models/schedulers/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';

const file = await openFixture('schedulers.safetensors');
const configs: Record<string, { config: object; timestep: number | null }> = JSON.parse(file.metadata.config ?? '{}');

describe('one step, as diffusers', () => {
  it.each(Object.entries(configs))('%s', async (name, { config, timestep }) => {
    const step = oneStepOf(new Config(name, config), timestep ?? undefined);
    const graph = new Graph();
    const z = graph.input('z', [1, 4, 3, 5], 'step');
    const prediction = graph.input('prediction', [1, 4, 3, 5], 'step');
    const feeds = new Map([
      ['z', await readFloats(file, 'golden.z')],
      ['prediction', await readFloats(file, 'golden.prediction')],
    ]);
    const [input = [], x0 = []] = interpret([modelInput(step, z), predictX0(step, z, prediction)], feeds);
    expect([step.timestep]).toEqual([...(await readFloats(file, `golden.${name}.timestep`))]);
    expect(nmse(input, await readFloats(file, `golden.${name}.input`))).toBeLessThan(1e-11);
    expect(nmse(x0, await readFloats(file, `golden.${name}.x0`))).toBeLessThan(1e-11);
  });
});

describe('coefficients', () => {
  const turbo = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012, timestep_spacing: 'trailing' };
  const of = (values: object, timestep?: number) => oneStepOf(new Config('scheduler', values), timestep);

  it('SD-Turbo', () => {
    const step = of({ _class_name: 'EulerDiscreteScheduler', ...turbo });
    expect(step.timestep).toBe(999);
    expect(step.inputScale).toBeCloseTo(0.997667, 6);
    expect(step.x0.z).toBeCloseTo(14.614647, 5);
    expect(step.x0.prediction).toBe(-step.x0.z);
  });

  it('HyperSDXL', () => {
    const { x0 } = of({ _class_name: 'LCMScheduler', ...turbo }, 800);
    expect(x0.z).toBeCloseTo(5.207937, 5);
    expect(x0.prediction).toBeCloseTo(-5.111028, 5);
  });

  it('PixArt-α DMD', () => {
    const { x0 } = of({ _class_name: 'DDPMScheduler', beta_schedule: 'linear', clip_sample: false }, 400);
    expect(x0.z).toBeCloseTo(2.272892, 5);
    expect(x0.prediction).toBeCloseTo(-2.041087, 5);
  });
});
