/** The choice of how many pictures are made at once. */
import { describe, expect, it } from 'vitest';
import { type BatchPlan, batchPlans, batchRoom, chosenBatch } from '../../../src/cli/plan/batch_choice.ts';
import { GPUS } from '../../../src/cli/plan/gpus.ts';
import { planReport } from '../../../src/cli/plan/plan_report.ts';
import { plannedModel } from '../../../src/cli/plan/planned_model.ts';
import { planSettings } from '../../../src/cli/plan/planned_run.ts';
import { readSettings, withSettings } from '../../../src/reno/settings/settings.ts';

const plan = (batch: number, peak: number, seconds: number | null, fits = true): BatchPlan => ({
  batch,
  peak,
  fits,
  dispatches: 100,
  seconds,
});

describe('the room for a batch', () => {
  it('is the budget, or nine tenths of the memory of a GPU by its name or by an adapter’s description', () => {
    const [a100] = GPUS;
    expect(batchRoom({ budget: 5e9 }, null)).toEqual({ memory: 5e9, gpu: null });
    expect(batchRoom({}, a100 ?? null).memory).toBe(72e9);
    expect(batchRoom({}, 'NVIDIA A100-SXM4-40GB').gpu?.name).toBe('A100 40GB');
    expect(batchRoom({}, 'NVIDIA GeForce RTX 4090').gpu?.name).toBe('RTX 4090');
    expect(batchRoom({}, 'Apple M1 Max').gpu?.name).toBe('M1 Max');
    expect(() => batchRoom({}, 'llvmpipe (LLVM 15.0.6, 256 bits)')).toThrow(
      '--batch auto: the memory of this adapter (llvmpipe (LLVM 15.0.6, 256 bits)) is not known, so say what a run may take, such as --budget 20GiB, or give --batch a number',
    );
  });
});

describe('a batch', () => {
  it('is the smallest of those that fit that is about as fast as the fastest', () => {
    expect(chosenBatch([plan(1, 8, 5), plan(2, 10, 3), plan(4, 14, 2.95), plan(8, 20, 1, false)])).toBe(2);
    expect(chosenBatch([plan(1, 8, 5), plan(2, 10, 3), plan(4, 14, 2)])).toBe(4);
  });

  it('is the largest that fits where no times are known, and one where none fits', () => {
    expect(chosenBatch([plan(1, 8, null), plan(2, 10, null), plan(4, 14, null, false)])).toBe(2);
    expect(chosenBatch([plan(1, 8, null, false)])).toBe(1);
  });

  it('of pocket pictures takes more memory and fewer dispatches for a picture, and has one noise, prompt and loss for each', async () => {
    const model = plannedModel('pocket');
    const settings = await readSettings(model.files);
    const one = await planSettings(model, settings);
    const { peak } = planReport(one, []).memory;
    const plans = await batchPlans(model, settings, { memory: peak, gpu: null }, null);
    expect(plans.map(({ batch, fits }) => [batch, fits])).toEqual([
      [1, true],
      [2, false],
    ]);
    expect(plans[1]?.peak).toBeGreaterThan(peak);
    expect(plans[1]?.dispatches).toBeLessThan(1.2 * (plans[0]?.dispatches ?? 0));
    const three = await planSettings(model, withSettings(settings, { batch: 3 }));
    const rows = (name: string, { schedule }: typeof three): unknown => schedule.inputs.get(name)?.type.shape;
    for (const name of ['latents', 'best_latents', 'best_image', 'generator.prompt_ids', 'clip_score.prompt_ids']) {
      const [, ...rest] = rows(name, one) as number[];
      expect(rows(name, three), name).toEqual([3, ...rest]);
    }
    expect(rows('best_loss', three)).toEqual([3, 1, 1, 1]);
    expect(three.run.step.outputs.scalars?.shape).toEqual([3, three.run.step.scalars.length]);
  });

  it('that is still to be chosen opens no networks', async () => {
    const model = plannedModel('pocket');
    const settings = withSettings(await readSettings(model.files), { batch: 'auto' });
    await expect(planSettings(model, settings)).rejects.toThrow(
      '"batch": "auto" must be a number before networks are opened: reno bench and reno plan choose it',
    );
  });
});
