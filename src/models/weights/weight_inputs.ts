/** The tensors of one checkpoint by key, and the graph inputs that models have requested. All stores of the checkpoint share one. */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { DType, Shape } from '../../tensor/types.ts';
import { byteSize, sameShape } from '../../tensor/types.ts';
import { type AliasTable, type TensorView, viewsOf } from '../checkpoint/aliases.ts';
import { listed, printable } from '../checkpoint/messages.ts';
import type { RowRange, TensorEntry, TensorFile } from '../checkpoint/tensor_file.ts';

/** Settings for turning the tensors of a checkpoint into graph inputs; each has a default. */
export interface WeightOptions {
  /** Prefix of the graph inputs' names, such as `unet`, so that several models can share a graph. Default `weights`. */
  readonly name?: string;
  /** Other names for the checkpoint's keys. Default: none. */
  readonly aliases?: AliasTable;
  /** Keys (after aliases) that models need not use. Buffers such as position_ids are always among them. */
  readonly ignore?: readonly RegExp[];
  /** Storage type of floats on the GPU. Default `stored`: f16 stays f16, everything else becomes f32. */
  readonly storage?: 'stored' | 'f16' | 'f32';
  /** File names of the published weights, which `openWeights` tries after the usual names. */
  readonly published?: readonly string[];
}

interface Stored {
  readonly file: TensorFile;
  readonly view: TensorView;
}

/** A graph input, and the stored tensor (or the rows of it) that is written into it. */
interface WeightInput {
  readonly key: string;
  readonly tensor: Tensor;
  /** Rows along the first axis. Default: all. */
  readonly rows?: RowRange;
}

/** Buffers that frameworks write into checkpoints although they are no parameters. */
const BUFFERS = [/(^|\.)position_ids$/, /(^|\.)num_batches_tracked$/];

export class WeightInputs {
  readonly graph: Graph;
  readonly name: string;
  readonly ignore: readonly RegExp[];
  readonly storage: 'stored' | 'f16' | 'f32';
  readonly stored = new Map<string, Stored>();
  /** Reasons, as whole sentences, why some tensors cannot be read, by key. */
  readonly #unreadable = new Map<string, string>();
  /** The requested graph inputs, by name. */
  readonly used = new Map<string, WeightInput>();

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
      for (const [name, { shape, reason }] of file.unreadable ?? []) {
        for (const key of keysOf({ name, dtype: 'F32', shape }, options.aliases ?? [])) {
          this.#unreadable.set(key, `${file.source.name}: ${reason} (${printable(name)})`);
        }
      }
    }
  }

  #add(key: string, stored: Stored): void {
    const other = this.stored.get(key);
    if (other) {
      throw new Error(
        `${stored.file.source.name}: tensor ${stored.view.entry.name} is in ${other.file.source.name} too; remove one of the files`,
      );
    }
    this.stored.set(key, stored);
  }

  /** The checkpoint's file, for messages. */
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
      const reason = this.#unreadable.get(key);
      throw new Error(
        reason ??
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
    const requested = this.used.get(name);
    if (requested) {
      return requested.tensor;
    }
    const inputShape = rows ? [rows.count, ...shape.slice(1)] : shape;
    const tensor = this.graph.input(name, inputShape, 'load', this.dtypeOf(entry));
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

  /** Lists the keys beside a missing one, as the end of a message. */
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

/** @throws Error naming the file, when a tensor's shape does not fit its aliases */
function views(file: TensorFile, entry: TensorEntry, aliases: AliasTable): TensorView[] {
  try {
    return viewsOf(entry, aliases);
  } catch (error) {
    throw new Error(`${file.source.name}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Returns the keys of a tensor that cannot be read; its own name where its shape does not fit its aliases. */
function keysOf(entry: TensorEntry, aliases: AliasTable): string[] {
  try {
    return viewsOf(entry, aliases).map(({ key }) => key);
  } catch {
    return [entry.name];
  }
}

/** Removes trailing ones. [O,I,1,1] and [O,I] are the same bytes: checkpoints store a linear layer in either shape. */
function trimmed(shape: Shape): Shape {
  const end = shape.findLastIndex((d) => d !== 1);
  return shape.slice(0, end + 1);
}
