/** The smallest model with all parts: Stable Diffusion and a CLIP of a few channels each, with random weights (parity/). */
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import {
  type SafetensorsValue,
  writeSafetensors,
} from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { REFERENCE_SETTINGS, type RenoSettings } from '../../../src/reno/settings/settings.ts';
import { FIXTURES } from '../../parity/golden.ts';

const FOLDERS: Readonly<Record<string, string>> = { 'generator/': 'pipeline/', 'clip/': 'rewards/clip/' };

/** The model's files. @param factors the weights of some tensors are multiplied, by path and name, such as `generator/vae/….safetensors conv1.weight` */
export function smallestModel(factors: Readonly<Record<string, number>> = {}): ModelFiles {
  const files = nodeFiles(FIXTURES);
  const placed = (path: string): string => {
    const found = Object.entries(FOLDERS).find(([prefix]) => path.startsWith(prefix));
    return found ? `${found[1]}${path.slice(found[0].length)}` : `none/${path}`;
  };
  return {
    name: 'smallest',
    has: (path) => files.has(placed(path)),
    readText: (path) => files.readText(placed(path)),
    read: async (path) => {
      const source = await files.read(placed(path));
      const own = Object.entries(factors).filter(([key]) => key.startsWith(`${path} `));
      return own.length === 0
        ? source
        : bytesSource(
            path,
            await scaled(source, new Map(own.map(([key, factor]) => [key.slice(path.length + 1), factor]))),
          );
    },
  };
}

async function scaled(
  source: Awaited<ReturnType<ModelFiles['read']>>,
  factors: ReadonlyMap<string, number>,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openSafetensors(source);
  const values: Record<string, SafetensorsValue> = {};
  for (const [name, { shape }] of file.entries) {
    const factor = factors.get(name) ?? 1;
    values[name] = { shape, data: (await readFloats(file, name)).map((v) => v * factor) };
  }
  return writeSafetensors(values, file.metadata);
}

/** Two rewards are more than a fault needs; the picture is 24 by 16 pixels. */
export const SMALLEST_SETTINGS: RenoSettings = { ...REFERENCE_SETTINGS, size: [16, 24], rewards: { clip: 1 } };
