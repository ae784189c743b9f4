/**
 * The tensors of a checkpoint as graph inputs: models ask for them by the checkpoint's own names with the shape
 * they need, and the store remembers what was asked for, so that it can upload it and say what nobody asked for.
 */
import { concat } from '../kernels/index.ts';
import type { Graph } from '../tensor/graph.ts';
import { listed, toFloats } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { RowRange, TensorEntry, TensorFile } from '../tensor/tensor_file.ts';
import type { DType, Shape } from '../tensor/types.ts';
import { byteSize, sameShape } from '../tensor/types.ts';
import { type AliasTable, type View, viewsOf } from './aliases.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { ModelFiles } from './files.ts';
import type { Weights } from './joined_weights.ts';
import { type Upload, uploadAll, type WeightSink } from './upload.ts';

export type { AliasTable } from './aliases.ts';
export type { WeightSink } from './upload.ts';

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

interface Stored {
  readonly file: TensorFile;
  readonly view: View;
}

/** A graph input and the rows of a stored tensor that belong into it. */
interface Use {
  readonly key: string;
  readonly tensor: Tensor;
  /** Along the first axis; absent: all. */
  readonly rows?: RowRange;
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
  /** By the graph input's name. */
  readonly used = new Map<string, Use>();

  constructor(graph: Graph, files: readonly TensorFile[], options: WeightOptions) {
    this.graph = graph;
    this.name = options.name ?? 'weights';
    this.ignore = [...BUFFERS, ...(options.ignore ?? [])];
    this.storage = options.storage ?? 'stored';
    for (const file of files) {
      for (const entry of file.entries.values()) {
        for (const view of views(file, entry, options.aliases ?? [])) {
          this.#add(view.key, { file, view });
        }
      }
    }
  }

  #add(key: string, stored: Stored): void {
    const twin = this.stored.get(key);
    if (twin) {
      throw new Error(
        `${stored.file.source.name}: tensor ${stored.view.entry.name} is in ${twin.file.source.name} too; remove one of the files`,
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

  get(key: string, shape: Shape, rows?: RowRange): Tensor {
    const found = this.stored.get(key);
    if (!found) {
      throw new Error(
        `${this.where}: there is no tensor ${key} (needed with shape [${shape.join(', ')}])${this.#hint(key)}`,
      );
    }
    const { file } = found;
    const { entry } = found.view;
    if (!sameShape(trimmed(entry.shape), trimmed(shape))) {
      throw new Error(
        `${file.source.name}: tensor ${key} has shape [${entry.shape.join(', ')}] where [${shape.join(', ')}] is needed; ` +
          'does config.json belong to these weights?',
      );
    }
    const name = `${this.name}.${key}${rows ? `[${rows.from}:${rows.from + rows.count}]` : ''}`;
    const before = this.used.get(name);
    if (before) {
      return before.tensor;
    }
    const own = rows ? [rows.count, ...shape.slice(1)] : shape;
    const tensor = this.graph.input(name, own, 'load', this.dtypeOf(entry));
    this.used.set(name, { key, tensor, ...(rows ? { rows } : {}) });
    return tensor;
  }

  getRows(key: string, shape: Shape, bytes: number): Tensor[] {
    const found = this.stored.get(key);
    const [count = 1, ...row] = shape;
    const rowBytes = byteSize({ dtype: found ? this.dtypeOf(found.view.entry) : 'f32', shape: row });
    const step = Math.max(1, Math.floor(bytes / rowBytes));
    if (step >= count) {
      return [this.get(key, shape)];
    }
    return Array.from({ length: Math.ceil(count / step) }, (_, i) => {
      return this.get(key, shape, { from: i * step, count: Math.min(step, count - i * step) });
    });
  }

  /** What is there beside a missing key. */
  #hint(key: string): string {
    const parent = key.slice(0, key.lastIndexOf('.') + 1);
    const near = [...this.stored.keys()].filter((k) => k.startsWith(parent));
    return `; ${parent === '' ? 'the file' : parent.slice(0, -1)} has ${listed(near.map((k) => k.slice(parent.length)))}`;
  }

  unused(): string[] {
    const used = new Set([...this.used.values()].map((use) => use.key));
    return [...this.stored.keys()].filter((key) => !used.has(key) && !this.ignore.some((p) => p.test(key)));
  }
}

/** @throws Error naming the file, when a tensor has not the shape for its parts */
function views(file: TensorFile, entry: TensorEntry, aliases: AliasTable): View[] {
  try {
    return viewsOf(entry, aliases);
  } catch (error) {
    throw new Error(`${file.source.name}: ${error instanceof Error ? error.message : error}`);
  }
}

/** [O,I,1,1] and [O,I] are the same bytes: a 1×1 convolution is a linear layer, and checkpoints spell it either way. */
function trimmed(shape: Shape): Shape {
  const end = shape.findLastIndex((d) => d !== 1);
  return shape.slice(0, end + 1);
}

export class WeightStore implements Weights {
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

  getPacked(names: readonly string[], shape: Shape): Tensor {
    return concat(
      names.map((name) => this.get(name, shape)),
      0,
    );
  }

  /**
   * As `get`, cut along the first axis into graph inputs of at most `bytes` each: a table may be larger than what one
   * storage binding can hold.
   */
  getRows(name: string, shape: Shape, bytes: number): Tensor[] {
    return this.#checkpoint.getRows(this.#key(name), shape, bytes);
  }

  /** The stored shape, for what config.json does not say. @throws Error with the full key when it is not there. */
  shapeOf(name: string): Shape {
    const found = this.#checkpoint.stored.get(this.#key(name));
    return found ? found.view.entry.shape : this.get(name, []).shape;
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
    return [...this.#checkpoint.used.values()].map((use) => use.tensor);
  }

  /** Reads what was asked for, tensor by tensor, and writes it into `plan` in the dtype of its graph input. */
  async upload(plan: WeightSink): Promise<void> {
    const { stored, used } = this.#checkpoint;
    const uploads = [...used].flatMap(([name, { key, tensor, rows }]): Upload[] => {
      const found = stored.get(key);
      const wanted = plan.reads?.(name) ?? true;
      return found && wanted ? [{ name, type: tensor.type, ...found, ...(rows ? { rows } : {}) }] : [];
    });
    await uploadAll(uploads, plan);
  }

  /** What was asked for, as f32 by graph input name: feeds for the interpreter. */
  async values(): Promise<Map<string, Float32Array>> {
    const values = new Map<string, Float32Array>();
    await this.upload({
      write: (name, data) => {
        values.set(name, data instanceof Float32Array ? data : toFloats(data.slice(), 'F16'));
      },
    });
    return values;
  }

  #key(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

/** From here on weights are kept once, and their other layouts made where they are read: bytes. */
const MANY_WEIGHTS = 2 ** 30;

/**
 * How a plan keeps weights: where little is asked of these checkpoints, all of them, in every layout; else each once, and
 * those that no step reads are streamed.
 */
export function weightMemory(stores: readonly WeightStore[]): { keepLayouts: boolean; streamPrompt: boolean } {
  const bytes = stores.flatMap((store) => store.used()).reduce((n, tensor) => n + byteSize(tensor.type), 0);
  const few = bytes < MANY_WEIGHTS;
  return { keepLayouts: few, streamPrompt: !few };
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
