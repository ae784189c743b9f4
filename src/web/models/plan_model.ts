/** Plans a run of a model on an adapter: what it needs, before anything is allocated. */
import { hasReward, REWARD_NAMES } from '../../reno/rewards/index.ts';
import { withMethod } from '../../reno/search/method.ts';
import { METHODS, type MethodName } from '../../reno/search/method_names.ts';
import { type RenoSettings, readSettings, withSettings } from '../../reno/settings/settings.ts';
import { traceRun } from '../../reno/trace.ts';
import type { Device } from '../../tensor/device/device.ts';
import { scheduleFor } from '../../tensor/plan/compile.ts';
import { summarize } from '../../tensor/schedule/summary.ts';
import type { ModelChoices, ModelPlan } from './model_source.ts';
import type { OpenedSource } from './open_source.ts';

/** The settings of a model folder for this adapter and a method. @throws Error, one sentence, where no reward is there */
export async function settingsFor(
  { name, files }: OpenedSource,
  device: Device,
  { budget, eightBits }: ModelChoices,
  method: MethodName,
): Promise<RenoSettings> {
  const own = await readSettings(files);
  const here = await Promise.all(REWARD_NAMES.map((reward) => hasReward(files, reward).catch(() => false)));
  const rewards = Object.fromEntries(
    REWARD_NAMES.filter((_, i) => here[i]).flatMap((reward) => {
      const weight = own.rewards[reward] ?? 0;
      return weight > 0 ? [[reward, weight]] : [];
    }),
  );
  if (Object.keys(rewards).length === 0) {
    throw new Error(
      `${name}: has no reward model beside the generator; choose at least one reward to download, or put its folder (such as clip) into the model's`,
    );
  }
  return withSettings(withMethod(own, { mode: METHODS[method] }), {
    rewards,
    // f32 where the adapter cannot store f16.
    dtype: device.caps.f16 ? own.dtype : 'f32',
    ...(budget === null ? {} : { budget }),
    ...(eightBits ? { weightBits: 8 as const } : {}),
  });
}

/** @throws Error, one sentence: what is missing or broken, or that no plan fits the budget */
export async function planModel(
  source: OpenedSource,
  device: Device,
  choices: ModelChoices,
  method: MethodName,
): Promise<ModelPlan> {
  const settings = await settingsFor(source, device, choices, method);
  const run = await traceRun(source.files, settings);
  const schedule = await scheduleFor(device, run.spec);
  const { memory, flops, dispatches } = summarize(schedule);
  const largest = Math.max(...schedule.buffers.map(({ bytes }) => bytes));
  const files = (await Promise.all(source.hubs.map((hub) => hub.needed()))).flatMap((list, i) =>
    list.map((file) => ({ ...file, path: `${source.hubs[i]?.name}/${file.path}` })),
  );
  return {
    name: source.name,
    size: { height: run.step.image.dim(1), width: run.step.image.dim(2) },
    rewards: run.rewards.map((reward) => reward.name),
    dtype: settings.dtype,
    peak: memory.peak,
    broughtIn: memory.uploaded.step,
    flops: flops.step,
    dispatches: dispatches.step,
    files,
    problem:
      largest > device.limits.maxBufferSize
        ? `one of its buffers has ${(largest / 1e9).toFixed(2)} GB, and this adapter holds at most ${(device.limits.maxBufferSize / 1e9).toFixed(2)} GB`
        : null,
  };
}
