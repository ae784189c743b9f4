/** Plans from names and shapes alone (src/cli/plan): the folders are the public ones, and nothing of them is read but headers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gpusNamed } from '../../../src/cli/plan/gpus.ts';
import { headerOnlyFiles } from '../../../src/cli/plan/header_only_files.ts';
import { networkTable } from '../../../src/cli/plan/networks.ts';
import { planReport } from '../../../src/cli/plan/plan_report.ts';
import { PLANNED_MODELS, plannedModel } from '../../../src/cli/plan/planned_model.ts';
import { MATRIX_GPU, planRun } from '../../../src/cli/plan/planned_run.ts';
import { joined, PUBLISHED_NAMES, publishedLayout } from '../../../src/cli/plan/published_layout.ts';
import { type KernelTime, kernelTimes, roofline } from '../../../src/cli/plan/roofline.ts';
import { readManifest } from '../../../src/cli/weights/manifest.ts';
import { subfolder } from '../../../src/models/checkpoint/files.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { openPipeline, type PipelineOptions } from '../../../src/models/pipelines/index.ts';
import { openReward, REWARD_NAMES } from '../../../src/reno/rewards/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { workOf } from '../../../src/tensor/schedule/summary.ts';
import { sizeOf } from '../../../src/tensor/types.ts';

describe('models that are planned', () => {
  it('are the pocket model and those of the manifest, under its names', () => {
    expect([...PLANNED_MODELS].sort()).toEqual(['pocket', ...readManifest().models.map(({ name }) => name)].sort());
  });

  it('have their own settings', async () => {
    const { files } = plannedModel('hyper-sdxl');
    expect(JSON.parse(await files.readText('reno.json'))).toMatchObject({ timestep: 800, lr: 10 });
    expect(JSON.parse(await plannedModel('pixart').files.readText('reno.json'))).toMatchObject({ timestep: 400 });
    // sdxl-vae-fp16-fix says that it stays within f16; SDXL's own decoder does not.
    const upcast = async (name: string) =>
      JSON.parse(await plannedModel(name).files.readText('generator/vae/config.json')).force_upcast;
    expect(await upcast('sdxl-turbo')).toBe(false);
    expect(await upcast('hyper-sdxl')).toBeUndefined();
  });
});

describe('published layouts', () => {
  const folders = [...PUBLISHED_NAMES.map((name) => [name, 'generator']), ...REWARD_NAMES.map((name) => [name, name])];

  it.each(folders)('%s: config.json agrees with the table of names and shapes', (name = '', at = '') => {
    const { weights, files } = publishedLayout(name, at);
    const configured = weights.filter(
      ({ path, format }) => format !== 'torch' && `${dirname(path)}/config.json` in files,
    );
    expect(configured.length + weights.filter(({ format }) => format === 'torch').length).toBe(weights.length);
    for (const { network, path } of configured) {
      const { _class_name, ...config } = networkTable(network).config;
      // The table's UNet is SDXL-Turbo's; SDXL's own was trained at twice the size.
      const own = name === 'hyper-sdxl' && network === 'sdxl_unet' ? { sample_size: 128 } : {};
      expect(files[`${dirname(path)}/config.json`]).toMatchObject({ ...config, ...own });
    }
  });
});

describe('published generators', () => {
  it.each(PUBLISHED_NAMES)('%s: the pipeline requests exactly the published names and shapes', async (name) => {
    const files = subfolder(plannedModel(name).files, 'generator');
    const { scheduler, timestep }: PipelineOptions = JSON.parse(await plannedModel(name).files.readText('reno.json'));
    // Opening throws for a tensor that is missing, has another shape, or that no network reads.
    const pipeline = await openPipeline(new Graph(), files, {
      ...(scheduler ? { scheduler } : {}),
      ...(timestep === undefined ? {} : { timestep }),
    });
    const networks = publishedLayout(name, 'generator').weights.map(({ network }) => networkTable(network));
    const used = pipeline.weights.flatMap((store) => store.used()).reduce((n, { shape }) => n + sizeOf(shape), 0);
    expect(used).toBeLessThanOrEqual(networks.reduce((n, { parameters }) => n + parameters, 0));
    expect(used).toBeGreaterThan(0.95 * networks.reduce((n, { parameters }) => n + parameters, 0));
  });
});

describe('published rewards', () => {
  it.each(REWARD_NAMES)('%s: the reward requests exactly the published names and shapes', async (name) => {
    const files = subfolder(plannedModel('sd-turbo').files, name);
    // Opening throws for a tensor that is missing, has another shape, or that the reward neither reads nor declares unused.
    const reward = await openReward(new Graph(), name, files, 'f16');
    const networks = publishedLayout(name, name).weights.map(({ network }) => networkTable(network));
    const total = networks.reduce((n, { parameters }) => n + parameters, 0);
    const used = reward.weights.flatMap((store) => store.used()).reduce((n, { shape }) => n + sizeOf(shape), 0);
    expect(used).toBeLessThanOrEqual(total);
    // The aesthetic predictor reads no text encoder, which is 29% of its CLIP.
    expect(used).toBeGreaterThan((name === 'aesthetic' ? 0.7 : 0.95) * total);
  });
});

describe('header-only files', () => {
  const files = headerOnlyFiles(
    'published',
    joined([publishedLayout('clip', 'clip'), publishedLayout('image_reward', 'image_reward')]),
  );

  it('are safetensors of the right size, in whatever format they are published', async () => {
    const clip = await openSafetensors(await files.read('clip/model.safetensors'));
    const elements = [...clip.entries.values()].reduce((n, { shape }) => n + sizeOf(shape), 0);
    expect(elements).toBe(986_109_441);
    expect(clip.source.size).toBeGreaterThan(2 * elements);
    const reward = await openSafetensors(await files.read('image_reward/model.safetensors'));
    expect(reward.entries.get('mlp.layers.0.weight')).toMatchObject({ dtype: 'F32', shape: [1024, 768] });
  });

  it('have no values, and say so', async () => {
    const clip = await openSafetensors(await files.read('clip/model.safetensors'));
    await expect(clip.read('logit_scale')).rejects.toThrow(/clip\/model.safetensors: .* has no values/);
    await expect(files.readText('clip/absent.json')).rejects.toThrow(
      'published/clip/absent.json: there is no such file',
    );
  });
});

/** Plans for a GPU with matrix units, each made once: HyperSDXL's takes seconds. */
const onMatrixUnits = new Map<string, ReturnType<typeof planRun>>();
function plannedOnMatrixUnits(model: string, side: number): ReturnType<typeof planRun> {
  const known = onMatrixUnits.get(`${model} ${side}`);
  const planned = known ?? planRun({ model, size: [side, side], device: MATRIX_GPU });
  onMatrixUnits.set(`${model} ${side}`, planned);
  return planned;
}

describe('planRun', () => {
  it('plans SD-Turbo with its four rewards in seconds', async () => {
    const planned = await planRun({ model: 'sd-turbo', size: [512, 512] });
    expect(planned.settings).toMatchObject({
      dtype: 'f16',
      rewards: { hps: 5, clip: 0.01, pick_score: 0.05, image_reward: 1 },
    });
    const plan = planReport(planned);
    expect(plan.size).toEqual([512, 512]);
    // Millions, as RENO.md and the model cards have them.
    const millions = plan.parameters.networks.map(({ name, parameters }) => [name, Math.round(parameters / 1e4) / 100]);
    expect(Object.fromEntries(millions)).toMatchObject({ unet: 865.91, vae: 49.49, text_encoder: 340.39, hps: 986.11 });
    // RENO.md's arithmetic: 4.46 TFLOP forward, and about as many backward to the input; upsamplers need 4/9 of theirs, and what is pruned is less.
    const { step, prompt } = plan.stages;
    expect(step.forward.flops).toBeLessThan(4.2e12);
    expect(step.forward.flops).toBeGreaterThan(3.9e12);
    expect(step.backward.flops).toBeGreaterThan(step.forward.flops);
    expect(step.backward.flops).toBeLessThan(1.2 * step.forward.flops);
    expect(plan.referenceFlops).toBe(step.flops + prompt.flops);
    // Text encoders run in the prompt stage, and nowhere else.
    expect(step.modules.some(({ module }) => module.endsWith('text_model'))).toBe(false);
    expect(prompt.modules.map(({ module }) => module)).toContain('hps.text_model');
    for (const stage of [step, prompt]) {
      const sum = (of: 'flops' | 'bytes' | 'dispatches') => stage.modules.reduce((n, module) => n + module[of], 0);
      expect(sum('dispatches')).toBe(stage.dispatches);
      expect(sum('flops') / stage.flops).toBeCloseTo(1, 10);
      expect(sum('bytes') / stage.bytes).toBeCloseTo(1, 10);
    }
    expect(plan.matrixShare).toBe(0); // this plan is for a GPU without them
    expect(plan.memory.peak).toBe(Math.max(...plan.memory.phases.map(({ total }) => total)));
    expect(plan.memory.largestBinding.name).toContain('generator.vae');
    // Three seconds of a quiet core.
  }, 60_000);

  it('plans HyperSDXL with its decoder in f32 on matrix units', async () => {
    const planned = await plannedOnMatrixUnits('hyper-sdxl', 1024);
    expect(planReport(planned).matrixShare).toBeGreaterThan(0.99);
    const step = workOf(planned.schedule).filter(({ stage, kernel }) => stage === 'step' && kernel.endsWith('_split'));
    expect([...new Set(step.map(({ kernel }) => kernel))].sort()).toEqual(
      ['attention', 'attention_backward', 'conv2d', 'conv2d_backward_input', 'matmul'].map(
        (op) => `${op}.subgroup_matrix_split`,
      ),
    );
    expect(step.every(({ flops, matrixFlops }) => matrixFlops === 3 * flops)).toBe(true);
    // The scores of 16,384 tokens are written and read in parts, which the traffic counts.
    const scores = 4 * 16384 ** 2;
    const attention = step.find(({ kernel }) => kernel.startsWith('attention.'));
    expect(attention?.bytes).toBeGreaterThan(3 * scores);
    expect(attention?.bytes).toBeLessThan(3.2 * scores);
  }, 60_000);

  it('plans SD-Turbo on matrix units, and says what each kernel costs on an A100', async () => {
    const a100 = gpusNamed('a100 80gb');
    const plan = planReport(await plannedOnMatrixUnits('sd-turbo', 512), a100, a100);
    expect(plan.adapter).toContain('f16 matrices of 16x16x16');
    expect(plan.matrixShare).toBeGreaterThan(0.99);
    const { seconds, dispatchSeconds } = plan.rooflines[0] ?? { seconds: { tensor: null }, dispatchSeconds: [] };
    expect(seconds.tensor).toBeLessThan(0.04);
    expect(dispatchSeconds).toEqual([24e-6, 36e-6].map((s) => s * plan.stages.step.dispatches));
    const times = plan.kernels[0]?.times ?? [];
    const sum = (of: (t: KernelTime) => number) => times.reduce((n, t) => n + of(t), 0);
    expect(sum((t) => t.flops) / plan.stages.step.flops).toBeCloseTo(1, 10);
    expect(sum((t) => t.dispatches)).toBe(plan.stages.step.dispatches);
    expect(sum((t) => t.leastSeconds)).toBeCloseTo(seconds.tensor ?? NaN, 10);
    expect(sum((t) => (t.matrix ? t.flops : 0)) / plan.stages.step.flops).toBeCloseTo(plan.matrixShare, 10);
    expect(times.map(({ kernel }) => kernel)).toContain('conv2d_backward_input.subgroup_matrix');
  }, 60_000);

  // docs/performance.md states these numbers. A plan with more is a fusion that no longer happens.
  it.each([
    ['sd-turbo', 512, 1698],
    ['sdxl-turbo', 512, 2530],
    ['hyper-sdxl', 1024, 2853],
  ])(
    '%s at %i² on matrix units: an iteration is at most %i dispatches',
    async (model, side, most) => {
      const { schedule } = await plannedOnMatrixUnits(model, side);
      expect(schedule.steps.step.length).toBeLessThanOrEqual(most);
    },
    90_000,
  );

  it('refuses what it cannot plan in one sentence', async () => {
    await expect(planRun({ model: 'sd3' })).rejects.toThrow(
      `there is no model or folder "sd3"; the models are pocket, ${PUBLISHED_NAMES.join(', ')}`,
    );
    await expect(planRun({ model: 'sd-turbo', size: [500, 512] })).rejects.toThrow(
      'a picture of 512×500 is not possible: sides must be multiples of 8',
    );
    const empty = mkdtempSync(join(tmpdir(), 'plan-'));
    await expect(planRun({ model: empty })).rejects.toThrow(`${empty}/generator/model_index.json: cannot be read`);
    rmSync(empty, { recursive: true });
  });
});

describe('roofline', () => {
  const a100 = gpusNamed('a100 80gb')[0];
  const alus = { stage: 'step', module: 'm', backward: false, matrix: false, matrixFlops: 0, dispatches: 1 } as const;
  const halves = (flops: number, bytes: number) => ({
    ...alus,
    kernel: 'a.b',
    matrix: true,
    flops,
    matrixFlops: flops,
    bytes,
  });
  const work = [halves(312e12, 1), halves(1, 2039e9), { ...alus, kernel: 'c.d', flops: 19.5e12, bytes: 0 }];

  it('is the longer of arithmetic and traffic, op by op', () => {
    expect(a100 && roofline(a100, { work, uploadedBytes: 50e9, peakBytes: 81e9 })).toEqual({
      gpu: 'A100 80GB',
      memoryBytes: 80e9,
      fits: false,
      seconds: { f32: 18, f16: 6, tensor: 3 },
      dispatchSeconds: [3 * 24e-6, 3 * 36e-6],
      uploadSeconds: 2,
    });
  });

  it('says what bounds each kernel', () => {
    const small = { ...alus, kernel: 'small', flops: 1, bytes: 1 };
    const times = a100 ? kernelTimes(a100, [...work, halves(312e11, 1), small]) : [];
    expect(times.map(({ kernel, bound }) => [kernel, bound])).toEqual([
      ['a.b', 'arithmetic'],
      ['c.d', 'arithmetic'],
      ['small', 'dispatch'],
    ]);
    // Each use takes the longer of its arithmetic and its traffic, so two uses that are bound differently take both.
    expect(times[0]).toMatchObject({ dispatches: 3, matrix: true });
    expect(times[0]?.leastSeconds).toBeCloseTo(2.1, 6);
    expect(times[0]?.arithmeticSeconds).toBeCloseTo(1.1, 6);
    expect(times[0]?.memorySeconds).toBeCloseTo(1, 6);
    const copy = { ...alus, kernel: 'copy', flops: 1, bytes: 2039e9 };
    expect(a100 && kernelTimes(a100, [copy])[0]).toMatchObject({ bound: 'memory', leastSeconds: 1 });
  });

  it('counts three products of f16 matrices where operands are f32, and their own arithmetic on ALUs', () => {
    const split = { ...halves(312e12, 0), matrixFlops: 3 * 312e12 };
    const times = a100 && roofline(a100, { work: [split], uploadedBytes: 0, peakBytes: 0 });
    expect(times?.seconds).toEqual({ f32: 16, f16: 16, tensor: 3 });
    expect(a100 && kernelTimes(a100, [split])[0]).toMatchObject({
      flops: 312e12,
      matrixFlops: 936e12,
      arithmeticSeconds: 3,
    });
    // On a GPU without matrix units a plan for them runs nothing three times.
    const m4 = gpusNamed('m4 max')[0];
    expect(m4 && kernelTimes(m4, [split])[0]?.arithmeticSeconds).toBeCloseTo(312 / 17.2, 6);
  });

  it('knows GPUs by part of their names', () => {
    expect(gpusNamed('A100').map(({ name }) => name)).toEqual(['A100 80GB', 'A100 40GB']);
    expect(gpusNamed('m1').map(({ name }) => name)).toEqual(['M1']);
    expect(gpusNamed('rtx-4090').map(({ name }) => name)).toEqual(['RTX 4090']);
    expect(gpusNamed('voodoo')).toEqual([]);
  });
});
