/**
 * The tensors of a checkpoint as graph inputs: models ask for them by the checkpoint's own names with the shape
 * they need, and the store remembers what was asked for, so that it can upload it and say what nobody asked for.
 */
import type { Graph } from '../tensor/graph.ts';
import { encodeF16 } from '../tensor/half.ts';
import { listed, toFloats } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { TensorEntry, TensorFile } from '../tensor/tensor_file.ts';
import type { DType, Shape } from '../tensor/types.ts';
import { sameShape } from '../tensor/types.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { ModelFiles } from './files.ts';

/** Old spellings: wherever `pattern` matches a stored key, it is replaced, in order. */
export type AliasTable = readonly (readonly [pattern: RegExp, replacement: string])[];

export interface WeightOptions {
  /** First part of the graph inputs' names, so that two models may share a graph; such as `unet`. Default `weights`. */
  readonly name?: string;
  readonly aliases?: AliasTable;
  /** Keys (after aliases) that need not be used: buffers such as position_ids (always), or a part left out. */
  readonly ignore?: readonly RegExp[];
  /** How floats are kept on the GPU. Default `stored`: f16 as its raw bytes, everything else as f32. */
  readonly storage?: 'stored' | 'f16' | 'f32';
  /** For `openWeights`: file names under which the weights are published, looked for after the usual ones. */
  readonly published?: readonly string[];
}

/** Where weights go: a compiled plan. */
export interface WeightSink {
  write(name: string, data: Float32Array | Uint8Array): void;
  /** Whether an input is read at all; what is not need not be fetched. Default: all are. */
  reads?(name: string): boolean;
}

interface Stored {
  readonly file: TensorFile;
  readonly entry: TensorEntry;
}

/** Buffers that frameworks write into checkpoints and that are no parameters. */
const BUFFERS = [/(^|\.)position_ids$/, /(^|\.)num_batches_tracked$/];

/** What all sub-stores of one checkpoint share. */
class Checkpoint {
  readonly graph: Graph;
  readonly name: string;
  readonly ignore: readonly RegExp[];
  readonly storage: 'stored' | 'f16' | 'f32';
  readonly stored = new Map<string, Stored>();
  readonly used = new Map<string, Tensor>();

  constructor(graph: Graph, files: readonly TensorFile[], options: WeightOptions) {
    this.graph = graph;
    this.name = options.name ?? 'weights';
    this.ignore = [...BUFFERS, ...(options.ignore ?? [])];
    this.storage = options.storage ?? 'stored';
    for (const file of files) {
      for (const [key, entry] of file.entries) {
        this.#add(
          (options.aliases ?? []).reduce((k, [pattern, by]) => k.replace(pattern, by), key),
          { file, entry },
        );
      }
    }
  }

  #add(key: string, stored: Stored): void {
    const twin = this.stored.get(key);
    if (twin) {
      throw new Error(
        `${stored.file.source.name}: tensor ${stored.entry.name} is in ${twin.file.source.name} too; remove one of the files`,
      );
    }
    this.stored.set(key, stored);
  }

  get where(): string {
    const [first] = this.stored.values();
    return first ? first.file.source.name : this.name;
  }

  dtypeOf(entry: TensorEntry): DType {
    if (this.storage !== 'stored') {
      return this.storage;
    }
    return entry.dtype === 'F16' ? 'f16' : 'f32';
  }

  get(key: string, shape: Shape): Tensor {
    const found = this.stored.get(key);
    if (!found) {
      throw new Error(
        `${this.where}: there is no tensor ${key} (needed with shape [${shape.join(', ')}])${this.#hint(key)}`,
      );
    }
    const { entry, file } = found;
    if (!sameShape(trimmed(entry.shape), trimmed(shape))) {
      throw new Error(
        `${file.source.name}: tensor ${key} has shape [${entry.shape.join(', ')}] where [${shape.join(', ')}] is needed; ` +
          'does config.json belong to these weights?',
      );
    }
    const before = this.used.get(key);
    if (before) {
      return before;
    }
    const tensor = this.graph.input(`${this.name}.${key}`, shape, 'load', this.dtypeOf(entry));
    this.used.set(key, tensor);
    return tensor;
  }

  /** What is there beside a missing key. */
  #hint(key: string): string {
    const parent = key.slice(0, key.lastIndexOf('.') + 1);
    const near = [...this.stored.keys()].filter((k) => k.startsWith(parent));
    return `; ${parent === '' ? 'the file' : parent.slice(0, -1)} has ${listed(near.map((k) => k.slice(parent.length)))}`;
  }

  unused(): string[] {
    return [...this.stored.keys()].filter((key) => !this.used.has(key) && !this.ignore.some((p) => p.test(key)));
  }
}

/** [O,I,1,1] and [O,I] are the same bytes: a 1×1 convolution is a linear layer, and checkpoints spell it either way. */
function trimmed(shape: Shape): Shape {
  const end = shape.findLastIndex((d) => d !== 1);
  return shape.slice(0, end + 1);
}

export class WeightStore {
  readonly #checkpoint: Checkpoint;
  /** Where this store stands in the checkpoint, such as `down_blocks.0`; empty at the top. */
  readonly path: string;

  /** The last part of the path, as `sub` was given it; the checkpoint's name at the top. */
  readonly local: string;

  /** The last parameter is for `sub`. */
  constructor(
    graph: Graph,
    files: readonly TensorFile[],
    options: WeightOptions = {},
    within?: { readonly parent: WeightStore; readonly local: string },
  ) {
    this.#checkpoint = within ? within.parent.#checkpoint : new Checkpoint(graph, files, options);
    this.path = within ? within.parent.#key(within.local) : '';
    this.local = within ? within.local : this.#checkpoint.name;
  }

  get graph(): Graph {
    return this.#checkpoint.graph;
  }

  /** The store of a submodule: `w.sub('down_blocks', 0)`. */
  sub(...names: (string | number)[]): WeightStore {
    return new WeightStore(this.graph, [], {}, { parent: this, local: names.join('.') });
  }

  has(name: string): boolean {
    return this.#checkpoint.stored.has(this.#key(name));
  }

  /** Whether anything is stored under submodule `name`. */
  hasModule(name: string): boolean {
    const prefix = `${this.#key(name)}.`;
    return [...this.#checkpoint.stored.keys()].some((key) => key.startsWith(prefix));
  }

  /** The tensor `name` as a graph input of stage `load`. @throws Error with the full key, and both shapes if they differ. */
  get(name: string, shape: Shape): Tensor {
    return this.#checkpoint.get(this.#key(name), shape);
  }

  /** The stored shape, for what config.json does not say. @throws Error with the full key when it is not there. */
  shapeOf(name: string): Shape {
    const found = this.#checkpoint.stored.get(this.#key(name));
    return found ? found.entry.shape : this.get(name, []).shape;
  }

  /** Runs `build` one level deeper in the module path that nodes carry; parents call children inside their own. */
  scope<T>(build: () => T): T {
    return this.graph.scope(this.local, build);
  }

  /** Keys that no module asked for, without the ignored ones. */
  unused(): string[] {
    return this.#checkpoint.unused();
  }

  /** @throws Error listing the keys that no module asked for: the model is not the one the weights were made for. */
  assertAllUsed(): void {
    const unused = this.unused();
    if (unused.length > 0) {
      throw new Error(
        `${this.#checkpoint.where}: ${unused.length} tensors are not used by this model: ${listed(unused)}; ` +
          'does config.json belong to these weights?',
      );
    }
  }

  /** Graph input names and tensors asked for so far. */
  used(): Tensor[] {
    return [...this.#checkpoint.used.values()];
  }

  /** Reads what was asked for, tensor by tensor, and writes it into `plan` in the dtype of its graph input. */
  async upload(plan: WeightSink): Promise<void> {
    const { stored, used, name } = this.#checkpoint;
    for (const [key, tensor] of used) {
      const found = stored.get(key);
      if (found && (plan.reads?.(`${name}.${key}`) ?? true)) {
        const bytes = await found.file.read(found.entry.name);
        plan.write(`${name}.${key}`, inDType(bytes, found.entry, tensor.dtype));
      }
    }
  }

  /** What was asked for, as f32 by graph input name: feeds for the interpreter. */
  async values(): Promise<Map<string, Float32Array>> {
    const values = new Map<string, Float32Array>();
    await this.upload({
      write: (name, data) => {
        values.set(name, data instanceof Float32Array ? data : toFloats(data, 'F16'));
      },
    });
    return values;
  }

  #key(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

/** f16 stays raw bytes, so that no value passes through another format; the rest goes through f32. */
function inDType(bytes: Uint8Array, entry: TensorEntry, dtype: DType): Float32Array | Uint8Array {
  if (dtype !== 'f16') {
    return toFloats(bytes, entry.dtype);
  }
  return entry.dtype === 'F16' ? bytes : new Uint8Array(encodeF16(toFloats(bytes, entry.dtype)).buffer);
}

/**
 * Opens the weights of a model folder: safetensors or PyTorch's own format, in one file or in shards.
 * @param base `diffusion_pytorch_model` (diffusers) or `model` (transformers).
 * @throws Error naming the folder when none is there, or what is wrong with a file.
 */
export async function openWeights(
  graph: Graph,
  files: ModelFiles,
  base: string,
  options: WeightOptions = {},
): Promise<WeightStore> {
  return new WeightStore(graph, await openCheckpoint(files, base, options.published), options);
}
