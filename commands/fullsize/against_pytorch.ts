/** An iteration of ours beside PyTorch's on the same weights (python/reference/fullsize.py). */

import { openSafetensors } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import { fileSource } from '../../src/platform/node/node_files.ts';
import { at } from '../../src/tensor/types.ts';
import { cosine } from '../common/distances.ts';

/** Largest relative error of a loss, and smallest cosine of the gradients, that pass. */
const LOSS_BOUND = 1e-2;
const COSINE_BOUND = 0.99;

export interface Reference {
  readonly prompt: string;
  readonly seed: number;
  readonly fingerprint: string;
  readonly versions: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly losses: Readonly<Record<string, number>>;
  readonly total: number;
  readonly gradient: Float32Array;
  /** The picture averaged over 64 × 64 cells, [64,64,3]. */
  readonly image64: Float32Array;
}

export interface Row {
  readonly what: string;
  readonly ours: number;
  readonly reference: number;
  /** Relative error, or the cosine for gradients. */
  readonly agreement: number;
  readonly ok: boolean;
}

export async function readReference(path: string): Promise<Reference> {
  const file = await openSafetensors(await fileSource(path));
  const { metadata } = file;
  const scalar = async (key: string): Promise<number> => at(await readFloats(file, key), 0);
  const weights: Record<string, number> = JSON.parse(metadata.weights ?? '{}');
  const losses = Object.fromEntries(
    await Promise.all(Object.keys(weights).map(async (name) => [name, await scalar(`loss.${name}`)] as const)),
  );
  return {
    prompt: metadata.prompt ?? '',
    seed: Number(metadata.seed),
    fingerprint: metadata.fingerprint ?? '',
    versions: metadata.versions ?? '',
    weights,
    losses,
    total: await scalar('rewards_loss'),
    gradient: await readFloats(file, 'gradient'),
    image64: await readFloats(file, 'image64'),
  };
}

export interface Iteration {
  readonly losses: Readonly<Record<string, number>>;
  readonly total: number;
  readonly gradient: Float32Array;
}

export function compare(ours: Iteration, reference: Reference): Row[] {
  const rows = [...Object.keys(reference.losses), 'total'].map((what): Row => {
    const [mine = Number.NaN, theirs = Number.NaN] =
      what === 'total' ? [ours.total, reference.total] : [ours.losses[what], reference.losses[what]];
    const agreement = Math.abs(mine - theirs) / Math.abs(theirs);
    return { what, ours: mine, reference: theirs, agreement, ok: agreement <= LOSS_BOUND };
  });
  const agreement = cosine(ours.gradient, reference.gradient);
  const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  rows.push({
    what: 'gradient',
    ours: norm(ours.gradient),
    reference: norm(reference.gradient),
    agreement,
    ok: agreement >= COSINE_BOUND,
  });
  return rows;
}
