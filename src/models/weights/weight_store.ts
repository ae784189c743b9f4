/**
 * The tensors of a checkpoint as graph inputs: models ask for them by the checkpoint's own names with the shape
 * they need, and the store remembers what was asked for, so that it can upload it and say what nobody asked for.
 */
import { concat } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { listed } from '../checkpoint/messages.ts';
import { openCheckpoint } from '../checkpoint/open_checkpoint.ts';
import { toFloats } from '../checkpoint/stored_dtype.ts';
import type { TensorFile } from '../checkpoint/tensor_file.ts';
import { type Upload, uploadAll, type WeightSink } from './upload.ts';
import { Checkpoint, type WeightOptions } from './weight_inputs.ts';
import type { Weights } from './weights.ts';

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
