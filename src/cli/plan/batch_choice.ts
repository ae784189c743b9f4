/** Chooses how many pictures are made at once: plans say what each number takes, before anything is allocated. */
import { type RenoSettings, withSettings } from '../../reno/settings/settings.ts';
import type { Device } from '../../tensor/device/device.ts';
import { UsageError } from '../usage_error.ts';
import { GPUS, type Gpu } from './gpus.ts';
import { planReport } from './plan_report.ts';
import type { PlannedModel } from './planned_model.ts';
import { planSettings } from './planned_run.ts';

/** A number of pictures at once, and what it takes. */
export interface BatchPlan {
  readonly batch: number;
  /** Bytes of GPU buffers. */
  readonly peak: number;
  readonly fits: boolean;
  /** Dispatches of an iteration, for all its pictures. */
  readonly dispatches: number;
  /** The least seconds of an iteration for each picture: arithmetic or memory traffic, and dispatches; null for no known GPU. */
  readonly seconds: number | null;
}

/** The memory that a batch may take, and the GPU whose times count, where one is known. */
export interface BatchRoom {
  readonly memory: number;
  readonly gpu: Gpu | null;
}

/** The numbers that are tried, until one does not fit. */
const BATCHES = [1, 2, 4, 8, 16];

/** The share of a GPU's memory that is planned for: driver, display and readbacks need the rest. */
const SHARE = 0.9;

/** A larger batch is worth its memory where it saves more than this share of the time. */
const WORTH = 0.02;

/**
 * Returns the room for a batch: the budget if there is one, and otherwise nine tenths of the GPU's memory.
 * @param gpu the GPU that was named, or the description of an adapter @throws UsageError where neither is known
 */
export function batchRoom({ budget }: Pick<RenoSettings, 'budget'>, gpu: Gpu | string | null): BatchRoom {
  const known = typeof gpu === 'string' ? gpuOf(gpu) : gpu;
  const memory = budget ?? (known && SHARE * known.memory);
  if (memory === null) {
    const which = typeof gpu === 'string' && gpu !== '' ? `of this adapter (${gpu})` : 'of the GPU';
    throw new UsageError(
      `--batch auto: the memory ${which} is not known, so say what a run may take, such as --budget 20GiB, or give --batch a number`,
    );
  }
  return { memory, gpu: known };
}

/** The GPU of the table whose name has most words, all of them in an adapter's description. */
function gpuOf(description: string): Gpu | null {
  const words = (text: string): string[] => text.toLowerCase().split(/[\s_-]+/);
  const there = words(description);
  const found = GPUS.filter(({ name }) => words(name).every((word) => there.includes(word)));
  return found.sort((a, b) => words(b.name).length - words(a.name).length)[0] ?? null;
}

/** Plans batches from 1 on, until one does not fit; that is the last. @throws Error as `planSettings` */
export async function batchPlans(
  model: PlannedModel,
  settings: RenoSettings,
  { memory, gpu }: BatchRoom,
  device: Pick<Device, 'caps' | 'info'> | null,
): Promise<BatchPlan[]> {
  const plans: BatchPlan[] = [];
  for (const batch of BATCHES) {
    const changed = withSettings(settings, { batch, budget: undefined });
    const report = planReport(await planSettings(model, changed, device ? { device } : {}), gpu ? [gpu] : []);
    const { dispatches } = report.stages.step;
    const [roofline] = report.rooflines;
    const { peak } = report.memory;
    const iteration = roofline && least(roofline.seconds) + roofline.dispatchSeconds[0];
    plans.push({
      batch,
      peak,
      fits: peak <= memory,
      dispatches,
      seconds: iteration === undefined ? null : iteration / batch,
    });
    if (peak > memory) {
      break;
    }
  }
  return plans;
}

const least = ({ f32, f16, tensor }: { f32: number; f16: number; tensor: number | null }): number =>
  Math.min(f32, f16, tensor ?? Infinity);

/** Returns the smallest batch that fits and is about as fast as the fastest; the largest that fits where no times are known. */
export function chosenBatch(plans: readonly BatchPlan[]): number {
  const fitting = plans.filter(({ fits }) => fits);
  const fastest = Math.min(...fitting.map(({ seconds }) => seconds ?? Infinity));
  const chosen =
    fastest === Infinity ? fitting.at(-1) : fitting.find(({ seconds }) => (seconds ?? 0) <= fastest * (1 + WORTH));
  return chosen?.batch ?? 1;
}
