/**
 * The tensors of a checkpoint as graph inputs. Models request them by the checkpoint's own keys with the shape that they
 * need. The store records the requests, so that it can upload those tensors and list the ones that nobody requested.
 */
import { concat } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { listed } from '../checkpoint/messages.ts';
import { openCheckpoint } from '../checkpoint/open_checkpoint.ts';
import { toFloats } from '../checkpoint/stored_dtype.ts';
import type { TensorFile } from '../checkpoint/tensor_file.ts';
import { type Upload, uploadAll, type WeightSink } from './upload.ts';
import { WeightInputs, type WeightOptions } from './weight_inputs.ts';
import type { Weights } from './weights.ts';

/** The tensors of a checkpoint, or of one of its submodules, by the checkpoint's own keys. `openWeights` makes one. */
export class WeightStore implements Weights {
  /** Shared by the stores of all submodules. */
  readonly #inputs: WeightInputs;
  /** This store's prefix in the checkpoint, such as `down_blocks.0`; empty for the whole checkpoint. */
  readonly path: string;

  /** The submodule's own name, which is the end of the path; the checkpoint's name for the whole checkpoint. */
  readonly local: string;

  /**
   * Use `openWeights`.
   * @param within set by `sub` alone: the parent store and the submodule's name
   * @internal
   */
  constructor(
    graph: Graph,
    files: readonly TensorFile[],
    options: WeightOptions = {},
    within?: { readonly parent: WeightStore; readonly local: string },
  ) {
    this.#inputs = within ? within.parent.#inputs : new WeightInputs(graph, files, options);
    this.path = within ? within.parent.#key(within.local) : '';
    this.local = within ? within.local : this.#inputs.name;
  }

  /** The graph that the tensors are inputs of. */
  get graph(): Graph {
    return this.#inputs.graph;
  }

  /** Returns the store of a submodule: `w.sub('down_blocks', 0)`. */
  sub(...names: (string | number)[]): WeightStore {
    return new WeightStore(this.graph, [], {}, { parent: this, local: names.join('.') });
  }

  /** Returns whether the checkpoint has the tensor `name`. */
  has(name: string): boolean {
    return this.#inputs.stored.has(this.#key(name));
  }

  /** Returns whether the checkpoint has any tensor of submodule `name`. */
  hasModule(name: string): boolean {
    const prefix = `${this.#key(name)}.`;
    return [...this.#inputs.stored.keys()].some((key) => key.startsWith(prefix));
  }

  /** Returns the tensor `name` as a graph input of stage `load`. @throws Error with the full key, and both shapes if they differ */
  get(name: string, shape: Shape): Tensor {
    return this.#inputs.get(this.#key(name), shape);
  }

  getPacked(names: readonly string[], shape: Shape): Tensor {
    return concat(
      names.map((name) => this.get(name, shape)),
      0,
    );
  }

  /**
   * Returns the tensor cut along the first axis into graph inputs of at most `bytes` each, for tables that are larger than
   * one storage binding.
   */
  getRows(name: string, shape: Shape, bytes: number): Tensor[] {
    return this.#inputs.getRows(this.#key(name), shape, bytes);
  }

  /** Returns the stored shape, for sizes that config.json does not have. @throws Error with the full key when the tensor is missing */
  shapeOf(name: string): Shape {
    const found = this.#inputs.stored.get(this.#key(name));
    return found ? found.view.entry.shape : this.get(name, []).shape;
  }

  /** Runs `build` with this submodule's name appended to the module path of the nodes that it makes. Scopes nest. */
  scope<T>(build: () => T): T {
    return this.graph.scope(this.local, build);
  }

  /** Returns the keys that no module requested, without the ignored ones. */
  unused(): string[] {
    return this.#inputs.unused();
  }

  /** @throws Error listing the keys that no module requested: the weights belong to another model */
  assertAllUsed(): void {
    const unused = this.unused();
    if (unused.length > 0) {
      throw new Error(
        `${this.#inputs.where}: ${unused.length} tensors are not used by this model: ${listed(unused)}; ` +
          'does config.json belong to these weights?',
      );
    }
  }

  /** Returns the graph inputs that modules have requested so far. */
  used(): Tensor[] {
    return [...this.#inputs.used.values()].map((use) => use.tensor);
  }

  /** Reads the requested tensors, one by one, and writes each into `plan` in the dtype of its graph input. */
  async upload(plan: WeightSink): Promise<void> {
    const { stored, used } = this.#inputs;
    const uploads = [...used].flatMap(([name, { key, tensor, rows }]): Upload[] => {
      const found = stored.get(key);
      const wanted = plan.reads?.(name) ?? true;
      return found && wanted ? [{ name, type: tensor.type, ...found, ...(rows ? { rows } : {}) }] : [];
    });
    await uploadAll(uploads, plan);
  }

  /** Returns the requested tensors as f32, by graph input name: feeds for the interpreter. */
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
 * @param base `diffusion_pytorch_model` (diffusers) or `model` (transformers)
 * @throws Error naming the folder when it has none, or what is wrong with a file
 */
export async function openWeights(
  graph: Graph,
  files: ModelFiles,
  base: string,
  options: WeightOptions = {},
): Promise<WeightStore> {
  return new WeightStore(graph, await openCheckpoint(files, base, options.published), options);
}

/** From this size on, weights are stored once and their other layouts are made where they are read; in bytes. */
const LARGE_MODEL = 2 ** 30;

/**
 * Returns the plan's options for weights. Small models keep every layout of every weight in memory. Large models keep each
 * weight once, and stream those that no step reads.
 */
export function weightResidency(stores: readonly WeightStore[]): { keepLayouts: boolean; streamPrompt: boolean } {
  const bytes = stores.flatMap((store) => store.used()).reduce((n, tensor) => n + byteSize(tensor.type), 0);
  const small = bytes < LARGE_MODEL;
  return { keepLayouts: small, streamPrompt: !small };
}
