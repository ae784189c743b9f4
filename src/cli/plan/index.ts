/** `reno plan`: says what a run needs and how fast a GPU could be, without a GPU, weights, network or tokenizers. */

import { withSettings } from '../../reno/settings/settings.ts';
import type { Device } from '../../tensor/device/device.ts';
import { openAdapter } from '../adapter.ts';
import { planningFromEnvironment } from '../debug_variable.ts';
import { type Args, type Command, textFlag } from '../flags/args.ts';
import { plannedFlags, plannedSettings } from '../flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish } from '../flags/shared.ts';
import { UsageError } from '../usage_error.ts';
import { batchPlans, batchRoom, chosenBatch } from './batch_choice.ts';
import { GPUS, type Gpu, gpusNamed } from './gpus.ts';
import { type PlanReport, planReport } from './plan_report.ts';
import { PLANNED_MODELS, plannedModel } from './planned_model.ts';
import { MATRIX_GPU, planSettings } from './planned_run.ts';
import { bytesOf, describePlanned, summaryOf } from './print_report.ts';

export const planCommand: Command = {
  meta: {
    name: 'plan',
    description:
      'Say what a run needs (memory, work, dispatches) and how fast a GPU could be; needs neither GPU nor weights',
  },
  args: {
    model: {
      type: 'string',
      description: `Model: ${PLANNED_MODELS.join(', ')}, or a folder of one, planned from its own headers`,
      default: 'pocket',
      valueHint: 'name',
    },
    ...plannedFlags,
    gpu: {
      type: 'string',
      description: 'Only GPUs of this name, such as a100 or m2, with the time of each kernel',
      valueHint: 'name',
    },
    adapter: {
      type: 'string',
      description:
        'Plan for an adapter of this machine (part of its name, see "reno devices"), not for a GPU in general',
      valueHint: 'name',
    },
    backend: adapterFlags.backend,
    json: { type: 'boolean', description: 'Print one last line of JSON: {"ok","summary","rows"}, the plan in rows[0]' },
  },
  run: plan,
};

async function plan(args: Args): Promise<number> {
  const gpus = chosenGpus(args);
  const model = plannedModel(textFlag(args, 'model') ?? 'pocket');
  const asked = await plannedSettings(args, model);
  const choice = adapterChoice(args);
  using device = 'adapter' in choice || 'backend' in choice ? await openAdapter(choice) : null;
  const planning = planningFromEnvironment();
  const target = device ?? (gpus.some(({ tensor }) => tensor !== null) ? MATRIX_GPU : null);
  const named = isNamed(args) ? gpus[0] : undefined;
  const batches =
    asked.batch === 'auto'
      ? await batchPlans(model, asked, batchRoom(asked, named ?? device?.info.description ?? null), target)
      : [];
  const settings = batches.length > 0 ? withSettings(asked, { batch: chosenBatch(batches) }) : asked;
  const run = await planSettings(model, settings, { planning, ...(target ? { device: target } : {}) });
  const planned = { ...planReport(run, gpus, isNamed(args) ? gpus : []), batches };
  console.log(describePlanned(planned));
  const problem = problemOf(planned, device);
  const summary = problem === null ? summaryOf(planned) : `${summaryOf(planned)}; ${problem}`;
  return finish(args, problem === null, summary, [planned]);
}

const isNamed = (args: Args): boolean => textFlag(args, 'gpu') !== undefined;

function chosenGpus(args: Args): readonly Gpu[] {
  const name = textFlag(args, 'gpu');
  const found = name === undefined ? GPUS : gpusNamed(name);
  if (found.length === 0) {
    throw new UsageError(`no GPU is called "${name}"; there are ${GPUS.map((gpu) => gpu.name).join(', ')}`);
  }
  return found;
}

/** The reason why this adapter cannot run the plan; null where it can. */
function problemOf({ memory: { largestBinding, largestBuffer } }: PlanReport, device: Device | null): string | null {
  const { maxStorageBufferBindingSize = Infinity, maxBufferSize = Infinity } = device?.limits ?? {};
  if (largestBinding.bytes > maxStorageBufferBindingSize) {
    const { name, bytes } = largestBinding;
    return `this adapter binds at most ${bytesOf(maxStorageBufferBindingSize)}, and ${name} needs ${bytesOf(bytes)}: choose a smaller size`;
  }
  return largestBuffer > maxBufferSize
    ? `this adapter's buffers have at most ${bytesOf(maxBufferSize)}, and ${bytesOf(largestBuffer)} are needed: choose a smaller size`
    : null;
}
