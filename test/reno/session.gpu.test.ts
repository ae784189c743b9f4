/** A loaded ReNO on the embedded models: what it remembers between runs, and what it must not. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine } from '../../commands/common/distances.ts';
import { runFiles } from '../../src/cli/generate/run_files.ts';
import { RunStore } from '../../src/cli/run_store/run_store.ts';
import { openSafetensors } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import { fileSource, nodeFiles } from '../../src/platform/node/node_files.ts';
import { decodeRunState, encodeRunState } from '../../src/reno/loop/run_state.ts';
import { drawNoise } from '../../src/reno/noise/draw_noise.ts';
import type { History } from '../../src/reno/report/history.ts';
import { type Generated, Reno } from '../../src/reno/session.ts';
import { type RenoSettings, readSettings } from '../../src/reno/settings/settings.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { testDevice } from '../support/test_device.ts';

const folder = resolve(import.meta.dirname, '../../weights/pocket');
const files = nodeFiles(folder);
const cat = { prompt: 'a photo of a red cat', seed: 3, nIters: 4 };

describe('Reno', () => {
  let device: Device;
  let settings: RenoSettings;
  let reno: Reno;
  let first: Generated;
  beforeAll(async () => {
    device = await testDevice();
    settings = await readSettings(files);
    reno = await Reno.open(device, 'pocket', files, settings);
    first = await reno.generate({ ...cat, wantsFrame: (i) => i < 3 });
  });
  afterAll(() => {
    reno?.[Symbol.dispose]();
    device?.destroy();
  });

  it('lowers the loss, and its first picture is that of the seed', () => {
    const { records, best, initImage } = first.trajectory;
    expect(records).toHaveLength(4);
    expect(records[best]?.total).toBeLessThan(records[0]?.total ?? 0);
    expect(best).toBeGreaterThan(0);
    expect(initImage).toHaveLength(96 * 96 * 3);
    expect(initImage.every((v) => v >= 0 && v <= 1)).toBe(true);
  });

  it('computes the same with levers that nobody moves, but for rounding, and records those that somebody moves', async () => {
    using levered = await Reno.open(device, 'pocket', files, settings, { levers: true });
    const still = await levered.generate(cat);
    expect(still.trajectory.initImage).toEqual(first.trajectory.initImage);
    for (const [i, record] of first.trajectory.records.slice(0, 2).entries()) {
      expect(still.trajectory.records[i]?.total).toBeCloseTo(record.total, 3);
    }
    expect(still.history.levers).toBeUndefined();
    const moved = { ...levered.levers, lr: 0 };
    const { trajectory, history } = await levered.generate({ ...cat, nIters: 2, levers: () => moved });
    expect(trajectory.records[1]?.total).toBe(trajectory.records[0]?.total);
    expect(history.levers).toEqual([{ iteration: 0, levers: moved }]);
    const { bestLatents: latents, bestImage } = still.trajectory;
    const again = await levered.generate({ ...cat, nIters: 1, latents });
    expect(again.trajectory.initImage).toEqual(bestImage);
    expect(again.history.config.noise.given).toBe(true);
  });

  it('judges many noises and ascends the best by one plan, with the losses and noises of separate runs', async () => {
    const sizes = { candidates: 3, chains: 2, chainSteps: 2 } as const;
    using searching = await Reno.open(device, 'pocket', files, { ...settings, mode: 'multi-start', ...sizes });
    const { trajectory, history } = await searching.generate(cat);
    const { records } = trajectory;
    const whole = await Promise.all([0, 1, 2].map((draw) => reno.generate({ ...cat, draw, nIters: 2 })));
    const separate = whole.map(({ trajectory: { records: all } }) => all.map(({ total }) => total));
    const order = [0, 1, 2].sort((a, b) => (separate[a]?.[0] ?? 0) - (separate[b]?.[0] ?? 0));
    const wanted = [...separate.map(([first]) => first), ...order.slice(0, 2).flatMap((draw) => separate[draw] ?? [])];
    expect(records.map(({ total }) => total)).toEqual(wanted);
    expect(history.config.search).toEqual({ candidates: 3, chains: 2, steps: 2 });
    expect(history.config.mode).toBe('multi-start');
    const best = whole.find(({ trajectory: { records: all } }) =>
      all.some((r) => r.total === records[trajectory.best]?.total),
    );
    expect(trajectory.bestImage).toEqual(best?.trajectory.bestImage);
    expect(trajectory.bestLatents).toEqual(best?.trajectory.bestLatents);
  });

  it('gives the same bytes again after another prompt and seed, and compiles nothing for them', async () => {
    const compiled = device.pipelineCount;
    const other = await reno.generate({ ...cat, prompt: 'a photo of two cars', seed: 4 });
    const again = await reno.generate(cat);
    expect(device.pipelineCount).toBe(compiled);
    expect(again.trajectory.bestImage).toEqual(first.trajectory.bestImage);
    expect(again.trajectory.bestLatents).toEqual(first.trajectory.bestLatents);
    const numbers = (g: Generated) => g.trajectory.records.map(({ seconds: _, ...rest }) => rest);
    expect(numbers(again)).toEqual(numbers(first));
    expect(other.trajectory.initImage).not.toEqual(first.trajectory.initImage);
  });

  it('runs what is asked for at the same time one after the other', async () => {
    const order: number[] = [];
    const ask = (seed: number, prompt: string) =>
      reno.generate({ prompt, seed, nIters: 2, onIteration: () => order.push(seed) });
    const asked = [ask(11, 'a photo of a dog'), ask(12, 'a photo of two cars'), ask(13, 'a photo of a dog')];
    const together = await Promise.all(asked);
    expect(order).toEqual([11, 11, 12, 12, 13, 13]);
    for (const made of together) {
      const { prompt, seed } = made.history.config;
      const alone = await reno.generate({ prompt, seed, nIters: 2 });
      expect(made.trajectory.bestLatents).toEqual(alone.trajectory.bestLatents);
      expect(made.trajectory.records.map((r) => r.total)).toEqual(alone.trajectory.records.map((r) => r.total));
    }
  });

  it('runs the next one after one that failed', async () => {
    const aborted = reno.generate({ ...cat, signal: AbortSignal.abort() });
    const next = reno.generate(cat);
    await expect(aborted).rejects.toThrow('the run was interrupted before iteration 0');
    expect((await next).trajectory.bestLatents).toEqual(first.trajectory.bestLatents);
  });

  it('goes on from a saved state to the same bytes', async () => {
    const saved: Uint8Array[] = [];
    await reno.generate({ ...cat, saveEvery: 1, onState: (state) => void saved.push(encodeRunState(state)) });
    expect(saved).toHaveLength(3);
    for (const bytes of saved) {
      const resume = await decodeRunState('state', bytes);
      const { trajectory } = await reno.generate({ ...cat, resume });
      expect(trajectory.bestImage).toEqual(first.trajectory.bestImage);
      expect(trajectory.bestLatents).toEqual(first.trajectory.bestLatents);
      expect(trajectory.records.map((r) => r.total)).toEqual(first.trajectory.records.map((r) => r.total));
    }
    const resume = await decodeRunState('state', saved[0] ?? Uint8Array.of());
    await expect(reno.generate({ ...cat, seed: 4, resume })).rejects.toThrow('its seed is 3, and here it is 4');
  });

  it('sees the prompt: the same noise under another prompt is another picture with other losses', async () => {
    const other = await reno.generate({ ...cat, prompt: 'a photo of two cars', nIters: 1 });
    expect(other.trajectory.initImage).not.toEqual(first.trajectory.initImage);
    expect(other.trajectory.records[0]?.losses).not.toEqual(first.trajectory.records[0]?.losses);
  });

  it('without optimisation scores the very same first picture, then fresh noises', async () => {
    using select = await Reno.open(device, 'pocket', files, { ...settings, mode: 'imageselect' });
    const { trajectory } = await select.generate(cat);
    expect(trajectory.initImage).toEqual(first.trajectory.initImage);
    expect(new Set(trajectory.records.map((r) => r.norm)).size).toBe(4);
    const best = trajectory.records[trajectory.best];
    expect(trajectory.bestLatents).toEqual(drawNoise(reno.latentShape, cat.seed, best?.iteration ?? 0));
    expect(select.plan.summary.flops.step).toBeLessThan(reno.plan.summary.flops.step / 2);
  });

  it('leaves out rewards of weight 0', async () => {
    using clip = await Reno.open(device, 'pocket', files, {
      ...settings,
      rewards: { clip: 1, hps: 0 },
      mode: 'no-optim',
    });
    const { trajectory, history } = await clip.generate(cat);
    expect(history.config.rewards.map((r) => r.name)).toEqual(['CLIP']);
    expect(Object.keys(trajectory.records[0]?.losses ?? {})).toEqual(['CLIP']);
    expect(trajectory.records).toHaveLength(1);
    expect(trajectory.initImage).toEqual(first.trajectory.initImage);
  });

  it('moves the noise by L-BFGS, the same way twice', async () => {
    const change = { optim: 'lbfgs', lr: 1, rewards: { clip: 1 } } as const;
    using search = await Reno.open(device, 'pocket', files, { ...settings, ...change });
    const { trajectory } = await search.generate(cat);
    const [start, ...later] = trajectory.records.map(({ total, regulariser }) => total + regulariser);
    expect(later).toHaveLength(cat.nIters - 1);
    expect(Math.min(...later)).toBeLessThan(start ?? 0);
    expect(trajectory.initImage).toEqual(first.trajectory.initImage);
    expect((await search.generate(cat)).trajectory.bestLatents).toEqual(trajectory.bestLatents);
  });

  it('stays within the budget of an iteration', () => {
    expect(reno.plan.summary.flops.step).toBeLessThan(5e9);
  });

  it('makes pictures of the size asked for', async () => {
    using wide = await Reno.open(device, 'pocket', files, {
      ...settings,
      rewards: { clip: 1 },
      mode: 'no-optim',
      size: [32, 96],
    });
    expect(wide.imageSize).toEqual({ height: 32, width: 96 });
    expect((await wide.generate(cat)).trajectory.initImage).toHaveLength(32 * 96 * 3);
    await expect(Reno.open(device, 'pocket', files, { ...settings, size: [30, 96] })).rejects.toThrow(
      /96×30 is not possible: sides must be multiples/,
    );
  });

  it('says what to do where the adapter cannot store f16', async () => {
    using without = await testDevice({ without: ['shader-f16'] });
    await expect(Reno.open(without, 'pocket', files, { ...settings, dtype: 'f16' })).rejects.toThrow(
      'this adapter has no shader-f16, so activations cannot be stored as f16: use --dtype f32',
    );
  });

  it('in f16 finds nearly the same losses and gradient, in less memory', async () => {
    using half = await Reno.open(device, 'pocket', files, { ...settings, dtype: 'f16' });
    const { records } = (await half.generate({ ...cat, nIters: 1 })).trajectory;
    const gradient = await half.plan.read('noise_gradient');
    await reno.generate({ ...cat, nIters: 1 });
    const expected = await reno.plan.read('noise_gradient');
    const total = first.trajectory.records[0]?.total ?? 0;
    expect(Math.abs((records[0]?.total ?? 0) - total)).toBeLessThan(0.01 * Math.abs(total));
    // HPS and ImageReward pull against each other here (norms 0.40 and 0.51 make 0.12), which brings out rounding.
    expect(cosine(gradient, expected)).toBeGreaterThan(0.99);
    expect(Math.abs(Math.hypot(...gradient) / Math.hypot(...expected) - 1)).toBeLessThan(0.1);
    expect(half.plan.summary.memory.shared).toBeLessThan(0.6 * reno.plan.summary.memory.shared);
  });

  it('with weights of 8 bits finds nearly the same picture and gradient, in less memory', async () => {
    using small = await Reno.open(device, 'pocket', files, { ...settings, weightBits: 8 });
    const { trajectory, history } = await small.generate({ ...cat, nIters: 1 });
    const gradient = await small.plan.read('noise_gradient');
    await reno.generate({ ...cat, nIters: 1 });
    const expected = await reno.plan.read('noise_gradient');
    const [{ initImage }, { total = 0 } = {}] = [first.trajectory, first.trajectory.records[0]];
    const error = Math.hypot(...trajectory.initImage.map((v, i) => v - (initImage[i] ?? Number.NaN)));
    expect(error / Math.hypot(...initImage)).toBeLessThan(2e-3); // measured 1.15e-3
    expect(error).toBeGreaterThan(0);
    expect(Math.abs((trajectory.records[0]?.total ?? 0) - total)).toBeLessThan(0.002 * Math.abs(total));
    // Where the rewards pull against each other (see above) rounding shows most: measured 0.947.
    expect(cosine(gradient, expected)).toBeGreaterThan(0.9);

    // All of that is the rounding's: a plan of other layouts gives the same bits for weights that are rounded beforehand.
    using plain = await Reno.open(device, 'pocket', files, settings, { keepLoadInputs: true });
    const rounded = [...small.plan.schedule.inputs].filter(([, { scales }]) => scales !== undefined);
    expect(rounded.length).toBeGreaterThan(50);
    for (const [name] of rounded) {
      plain.plan.write(name, await small.plan.read(name));
    }
    await plain.plan.run('load');
    expect((await plain.generate({ ...cat, nIters: 1 })).trajectory.initImage).toEqual(trajectory.initImage);
    expect(await plain.plan.read('noise_gradient')).toEqual(gradient);
    expect(history.config.weightBits).toBe(8);
    const resident = ({ resident, persistent }: Reno['plan']['summary']['memory']): number => resident + persistent;
    expect(resident(small.plan.summary.memory)).toBeLessThan(0.65 * resident(reno.plan.summary.memory));
  });

  it('within three quarters of the memory makes the same pictures', async () => {
    const budget = Math.ceil(reno.plan.summary.memory.peak * 0.75);
    const before = device.memory.bytes;
    {
      using small = await Reno.open(device, 'pocket', files, { ...settings, budget });
      const { memory } = small.plan.summary;
      expect(memory.peak).toBeLessThanOrEqual(budget);
      expect(memory.uploaded.prompt).toBeGreaterThan(0);
      const { trajectory } = await small.generate(cat);
      expect(trajectory.bestLatents).toEqual(first.trajectory.bestLatents);
      expect(trajectory.bestImage).toEqual(first.trajectory.bestImage);
    }
    expect(device.memory.bytes).toBe(before);
    await expect(Reno.open(device, 'pocket', files, { ...settings, budget: 1e6 })).rejects.toThrow(
      /^this run needs .* even with activations recomputed and all weights streamed/,
    );
  });

  describe('the files of a run', () => {
    let out = '';
    beforeAll(() => {
      out = mkdtempSync(join(tmpdir(), 'reno-run-'));
      using store = RunStore.open(out);
      const files = runFiles(first.trajectory, first.history, true);
      store.publish({ slot: 'run', key: '', complete: true, files });
    });
    afterAll(() => rmSync(out, { recursive: true, force: true }));

    it('are all there', () => {
      expect(readdirSync(out).sort()).toEqual([
        '.reno',
        'best.png',
        'history.json',
        'init.png',
        'iterations',
        'latents.safetensors',
        'report.html',
        'strip.png',
      ]);
      expect(readdirSync(join(out, 'iterations'))).toEqual(['000.png', '001.png', '002.png']);
    });

    it('hold the numbers of the run', async () => {
      const history = JSON.parse(readFileSync(join(out, 'history.json'), 'utf8')) as History;
      expect(history.iterations).toEqual(first.trajectory.records);
      expect(history.config.prompt).toBe(cat.prompt);
      expect(history.adapter.description + history.adapter.vendor).not.toBe('');
      const latents = await openSafetensors(await fileSource(join(out, 'latents.safetensors')));
      expect(await readFloats(latents, 'init')).toEqual(drawNoise(reno.latentShape, cat.seed));
      expect(await readFloats(latents, 'best')).toEqual(first.trajectory.bestLatents);
      expect(latents.entries.get('best')?.shape).toEqual([1, 12, 12, 12]);
    });
  });
});
