/**
 * The loop on the pocket models. Left to itself it magnifies any difference, f16 or not (a rounding of the first noise ends elsewhere
 * too), so f16 is first judged at the very noises that the f32 loop went through, and then left to itself.
 */
import { join } from 'node:path';
import type { ComputeDType } from '../../src/models/layers/half_precision.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { runLoop, type StepRunner } from '../../src/reno/loop/loop.ts';
import { drawNoise } from '../../src/reno/noise/draw_noise.ts';
import { type Planning, Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings/settings.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { decodeF16, encodeF16 } from '../../src/tensor/half.ts';
import { at } from '../../src/tensor/types.ts';

const PROMPT = 'a photo of a whale and an apple';
export const ITERATIONS = 20;
/** The first is compared in detail. One loop that is left to itself says little: a rounding turns it elsewhere. So there are several. */
export const SEEDS = [1, 2, 3, 4, 5] as const;

type Values = Float32Array<ArrayBuffer>;

/** Each iteration's first noise, the gradient there, the picture, and the weighted reward loss. */
export interface Loop {
  readonly noises: readonly Values[];
  readonly gradients: readonly Values[];
  readonly images: readonly Values[];
  readonly losses: readonly number[];
}

/** The last picture and the best loss of a loop that went from its first noise to its end. */
export interface LoopEnd {
  readonly picture: Values;
  readonly bestLoss: number;
  /** Iterations that it made. */
  readonly length: number;
}

export interface Loops {
  /** In f32, from the first noise of the first seed. */
  readonly exact: Loop;
  /** f16 at the noises of `exact`. */
  readonly atItsNoises: Loop;
  /** f32 with weights of 8 bits, at the noises of `exact`. */
  readonly int8AtItsNoises: Loop;
  /** The ends of loops that were left to themselves, for each seed. */
  readonly ends: {
    readonly exact: readonly LoopEnd[];
    readonly half: readonly LoopEnd[];
    /** f32 from the first noise rounded to f16 once. */
    readonly nudged: readonly LoopEnd[];
    readonly int8: readonly LoopEnd[];
  };
}

export async function pocketLoops(device: Device): Promise<Loops> {
  using wide = await opened(device, 'f32');
  const firsts = SEEDS.map((seed) => drawNoise(wide.latentShape, seed, 0, 'reno'));
  const exact = await loopOf(wide, [at(firsts, 0)]);
  const exactEnds = [endOf(exact), ...(await endsFrom(wide, firsts.slice(1)))];
  const nudged = await endsFrom(
    wide,
    firsts.map((first) => decodeF16(encodeF16(first))),
  );
  using half = await opened(device, 'f16');
  using int8 = await opened(device, 'f32', { weightBits: 8 });
  return {
    exact,
    atItsNoises: await loopOf(half, exact.noises),
    int8AtItsNoises: await loopOf(int8, exact.noises),
    ends: {
      exact: exactEnds,
      half: await endsFrom(half, firsts),
      nudged,
      int8: await endsFrom(int8, firsts),
    },
  };
}

async function endsFrom(reno: Reno, firsts: readonly Values[]): Promise<LoopEnd[]> {
  const ends: LoopEnd[] = [];
  for (const first of firsts) {
    ends.push(endOf(await loopOf(reno, [first])));
  }
  return ends;
}

const endOf = ({ images, losses }: Loop): LoopEnd => {
  return { picture: at(images, images.length - 1), bestLoss: Math.min(...losses), length: losses.length };
};

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
