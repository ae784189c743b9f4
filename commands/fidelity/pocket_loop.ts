/**
 * The loop on the pocket models. Left to itself it magnifies any difference, f16 or not (a rounding of the first noise ends elsewhere
 * too), so f16 is first judged at the very noises that the f32 loop went through, and then left to itself.
 */
import { join } from 'node:path';
import type { ComputeDType } from '../../src/models/layers/half_precision.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { runLoop, type StepRunner } from '../../src/reno/loop.ts';
import { drawNoise } from '../../src/reno/noise/draw_noise.ts';
import { type Planning, Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings.ts';
import type { Device } from '../../src/tensor/device.ts';
import { decodeF16, encodeF16 } from '../../src/tensor/half.ts';
import { at } from '../../src/tensor/types.ts';

const PROMPT = 'a photo of a whale and an apple';
const SEED = 1;
export const ITERATIONS = 20;

type Values = Float32Array<ArrayBuffer>;

/** Each iteration's first noise, the gradient there, the picture, and the weighted reward loss. */
export interface Loop {
  readonly noises: readonly Values[];
  readonly gradients: readonly Values[];
  readonly images: readonly Values[];
  readonly losses: readonly number[];
}

export interface Loops {
  readonly exact: Loop;
  /** f16 at the noises of `exact`. */
  readonly atItsNoises: Loop;
  /** f16 from the first noise on. */
  readonly free: Loop;
  /** f32 from the first noise on, rounded to f16 once. */
  readonly nudged: Loop;
  /** f32 with weights of 8 bits, at the noises of `exact` and from the first noise on. */
  readonly int8AtItsNoises: Loop;
  readonly int8Free: Loop;
}

export async function pocketLoops(device: Device): Promise<Loops> {
  using wide = await opened(device, 'f32');
  const first = drawNoise(wide.latentShape, SEED, 0, 'reno');
  const exact = await loopOf(wide, [first]);
  const nudged = await loopOf(wide, [decodeF16(encodeF16(first))]);
  using half = await opened(device, 'f16');
  using int8 = await opened(device, 'f32', { weightBits: 8 });
  return {
    exact,
    nudged,
    atItsNoises: await loopOf(half, exact.noises),
    free: await loopOf(half, [first]),
    int8AtItsNoises: await loopOf(int8, exact.noises),
    int8Free: await loopOf(int8, [first]),
  };
}

async function opened(device: Device, dtype: ComputeDType, planning: Planning = {}): Promise<Reno> {
  const files = nodeFiles(join(PACKAGE_ROOT, 'weights/pocket'));
  return Reno.open(device, 'pocket', files, { ...(await readSettings(files)), dtype }, planning);
}

/** Iterations without a noise of their own go on from the one before. */
async function loopOf(reno: Reno, given: readonly Values[]): Promise<Loop> {
  await reno.setPrompt(PROMPT);
  const { plan } = reno;
  const reads: Promise<Values>[] = [];
  const runner: StepRunner = {
    write: (name, data) => plan.write(name, data),
    read: (name) => plan.read(name),
    run: async (stage) => {
      reads.push(plan.read('latents'));
      await plan.run(stage);
      reads.push(plan.read('noise_gradient'), plan.read('image'));
    },
  };
  const { records } = await runLoop(runner, reno.step, { iterations: ITERATIONS, noise: (i) => given[i] ?? null });
  const all = await Promise.all(reads);
  const of = (which: number): Values[] => records.map((_, i) => at(all, 3 * i + which));
  return { noises: of(0), gradients: of(1), images: of(2), losses: records.map(({ total }) => total) };
}
