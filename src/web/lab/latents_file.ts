/** Noise as a file: the same `latents.safetensors` that `reno generate` writes, and reads back. */
import { bytesSource } from '../../models/checkpoint/byte_source.ts';
import { openSafetensors } from '../../models/checkpoint/safetensors/open_safetensors.ts';
import { writeSafetensors } from '../../models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../models/checkpoint/tensor_file.ts';
import { drawNoise } from '../../reno/noise/draw_noise.ts';
import type { History } from '../../reno/report/history.ts';

/** Returns the file of a run: its first noise and its best. */
export function latentsFile(
  { config }: Pick<History, 'config'>,
  best: Float32Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const { shape, draw, source } = config.noise;
  return writeSafetensors(
    { init: { shape, data: drawNoise(shape, config.seed, draw, source) }, best: { shape, data: best } },
    { prompt: config.prompt, seed: String(config.seed), model: config.model },
  );
}

/** Reads the best noise of such a file. @throws Error, one sentence, when it has none of this shape */
export async function readLatents(
  name: string,
  bytes: Uint8Array,
  shape: readonly number[],
): Promise<Float32Array<ArrayBuffer>> {
  const file = await openSafetensors(bytesSource(name, bytes));
  const found = file.entries.get('best')?.shape;
  if (found?.join() !== shape.join()) {
    const has = found ? `its best noise has the shape [${found.join(', ')}]` : 'it has no tensor "best"';
    throw new Error(`${name}: ${has}, but this model takes noise of the shape [${shape.join(', ')}]`);
  }
  return readFloats(file, 'best');
}
