/**
 * Modules whose activations are stored as f32 in a graph that stores activations as f16. A module is raised as it is traced: its f16
 * operands are cast to f32 where it reads them, its results to f16 where others read them, and its gradients follow. Networks do not
 * see the difference: a tensor of a raised module still says that it is f16 (`Tensor.dtype`). Weights stay as they are.
 */
import { cotangentOps } from './cotangent_ops.ts';
import { suggestion } from './nearest_names.ts';
import type { Attrs, Op } from './op.ts';
import { Tensor } from './tensor.ts';
import type { TensorType } from './types.ts';

/** The tensor as it is stored. */
const stored = (t: Tensor): Tensor => new Tensor(t.node, t.index);
const isRaised = (t: Tensor): boolean => t.dtype !== t.type.dtype;

/** Adds a node with these operands to the graph. */
type Add = (inputs: readonly Tensor[]) => Tensor[];

/** Whether `path` is module `name` or lies in it. */
export const isWithin = (path: string, name: string): boolean => path === name || path.startsWith(`${name}.`);

export class RaisedModules {
  readonly #names: readonly string[];
  /** The modules that had something to raise. */
  readonly #raised = new Set<string>();
  /** The modules that store f16 activations. */
  readonly #known = new Set<string>();

  /** @param names module paths, such as `generator.vae.decoder.up_blocks.3`; whatever lies in them is raised too */
  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** Adds a forward op of module `path` by `add`, with its operands and results stored as the module wants them. */
  apply(op: Op, inputs: readonly Tensor[], attrs: Attrs, path: string, add: Add): Tensor[] {
    const [first] = inputs;
    if (first && op.name === 'cast' && first.type.dtype === attrs.dtype && isRaised(first)) {
      return [stored(first)];
    }
    const names = this.#names.filter((name) => isWithin(path, name));
    const said = saidTypes(op, inputs, attrs);
    if (!said.some(({ dtype }) => dtype === 'f16')) {
      return add(inputs.map(stored));
    }
    const { cast } = cotangentOps();
    if (names.length === 0) {
      const made = add(inputs.map((t) => (isRaised(t) ? cast(stored(t), t.dtype) : stored(t))));
      this.#note(this.#known, path, made);
      return made;
    }
    if (op.name === 'cast' && first?.type.dtype === 'f32' && first.node.stage !== 'load') {
      return [new Tensor(first.node, first.index, 'f16')];
    }
    const wide = inputs.map((t) => {
      return t.type.dtype === 'f16' && t.node.stage !== 'load' ? cast(stored(t), 'f32') : stored(t);
    });
    const made = add(wide).map((t, i) => {
      return said[i]?.dtype === 'f16' && t.dtype === 'f32' ? new Tensor(t.node, t.index, 'f16') : t;
    });
    this.#note(this.#known, path, made);
    if (made.some(isRaised)) {
      for (const name of names) {
        this.#raised.add(name);
      }
    }
    return made;
  }

  #note(paths: Set<string>, path: string, made: readonly Tensor[]): void {
    if (made.some(({ dtype, node }) => dtype === 'f16' && node.stage !== 'load')) {
      const parts = path.split('.');
      parts.forEach((_, i) => {
        paths.add(parts.slice(0, i + 1).join('.'));
      });
    }
  }

  /** Checks that each module was there. @throws Error, one sentence, that names one which is unknown or has nothing to raise */
  assertFound(): void {
    for (const name of this.#names) {
      if (!this.#raised.has(name)) {
        throw new Error(
          `no module "${name}" stores activations as f16, so it cannot be raised to f32: ${suggestion(name, this.#known)}`,
        );
      }
    }
  }
}

/** The types that the op's results would have in a graph where nothing is raised; none where the op refuses its inputs. */
function saidTypes(op: Op, inputs: readonly Tensor[], attrs: Attrs): readonly TensorType[] {
  try {
    return op.infer(
      inputs.map(({ dtype, shape }) => ({ dtype, shape })),
      attrs,
    );
  } catch {
    return [];
  }
}
