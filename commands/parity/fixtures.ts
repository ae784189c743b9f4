/** Reads the golden files in parity/, which python/reference makes. */
import { readFile } from 'node:fs/promises';
import { bytesSource } from '../../src/models/checkpoint/byte_source.ts';
import { Config } from '../../src/models/checkpoint/config.ts';
import type { ModelFiles } from '../../src/models/checkpoint/files.ts';
import { openSafetensors, type SafetensorsFile } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { writeSafetensors } from '../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import { WeightStore } from '../../src/models/weights/weight_store.ts';
import type { Graph } from '../../src/tensor/graph.ts';
import { at, type Shape } from '../../src/tensor/types.ts';

const FOLDER = new URL('../../parity/', import.meta.url);

/** A fixture keeps weights under `w.`, inputs under `in.`, what the reference computed under `out.`. */
export class Fixture {
  readonly #file: SafetensorsFile;

  private constructor(file: SafetensorsFile) {
    this.#file = file;
  }

  static async open(name: string): Promise<Fixture> {
    const bytes = await readFile(new URL(`${name}.safetensors`, FOLDER));
    return new Fixture(await openSafetensors(bytesSource(`${name}.safetensors`, bytes)));
  }

  weights(graph: Graph, storage: 'stored' | 'f16' = 'stored'): WeightStore {
    const options = { aliases: [[/^w\./, '']] as const, ignore: [/^(in|out)\./], storage };
    return new WeightStore(graph, [this.#file], options);
  }

  /** The weights by their names in the checkpoint. */
  async tensors(): Promise<Record<string, { shape: Shape; data: Float32Array }>> {
    const tensors: Record<string, { shape: Shape; data: Float32Array }> = {};
    for (const [key, { shape }] of this.#file.entries) {
      if (key.startsWith('w.')) {
        tensors[key.slice(2)] = { shape, data: await this.values(key) };
      }
    }
    return tensors;
  }

  /** The weights as a checkpoint of their own. */
  async weightsFile(): Promise<Uint8Array> {
    return writeSafetensors(await this.tensors());
  }

  values(name: string): Promise<Float32Array<ArrayBuffer>> {
    return readFloats(this.#file, name);
  }

  shape(name: string): Shape {
    const entry = this.#file.entries.get(name);
    if (!entry) {
      throw new Error(`the fixture has no tensor ${name}`);
    }
    return entry.shape;
  }
}

/** A model folder that is not on a disk. */
export function memoryFiles(name: string, contents: Readonly<Record<string, string | Uint8Array>>): ModelFiles {
  const bytes = (path: string): Uint8Array => {
    const content = contents[path];
    if (content === undefined) {
      throw new Error(`${name}/${path}: there is no such file`);
    }
    return typeof content === 'string' ? new TextEncoder().encode(content) : content;
  };
  return {
    name,
    has: async (path) => contents[path] !== undefined,
    read: async (path) => bytesSource(`${name}/${path}`, bytes(path)),
    readText: async (path) => new TextDecoder().decode(bytes(path)),
  };
}

export async function fixtureConfig(name: string): Promise<Config> {
  return new Config(`${name}.json`, await fixtureJson(name));
}

export async function fixtureJson(name: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`${name}.json`, FOLDER), 'utf8'));
}

/** PyTorch's [N,C,H,W] → [N,H,W,C]. */
export function channelsLast(values: Float32Array, shape: Shape): Float32Array {
  const [channels, pixels] = [at(shape, 1), at(shape, 2) * at(shape, 3)];
  const out = new Float32Array(values.length);
  values.forEach((value, i) => {
    const image = Math.floor(i / (channels * pixels));
    const channel = Math.floor(i / pixels) % channels;
    out[(image * pixels + (i % pixels)) * channels + channel] = value;
  });
  return out;
}
