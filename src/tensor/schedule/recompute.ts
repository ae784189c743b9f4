/**
 * Values that wait long for their second reader (from the forward to the backward pass) may be dropped after the first and
 * made again by a copy of their producer: the same kernel on the same operands, so the same bits. Which: greedily, where most
 * is alive, what saves the most bytes for the work (as in dynamic tensor rematerialisation, Kirisame et al. 2021, but planned).
 */
import { type Node, outputKey, siteOf } from '../graph.ts';
import { Tensor } from '../tensor.ts';
import { at, byteSize } from '../types.ts';

/** Work that passing an element through memory once may be taken for: a bandwidth-bound kernel's, per byte. */
const PASS = 32;
/** Smaller operands are held rather than made again. */
const SMALL = 1 << 16;
/**
 * Most work per byte saved: what a GPU of 50 TFLOP/s does while 12 GB/s bring a weight's byte in twice, which would save as
 * much. A 3×3 convolution of 512 channels in f16 takes 4,608.
 */
const WORTH = 8000;

/** Values dropped before it is looked again where most is alive. */
const AT_ONCE = 8;

interface Value {
  readonly root: string;
  readonly bytes: number;
  readonly producer: Node;
  readonly from: number;
  /** Positions of its readers, copies of producers included. */
  readonly uses: number[];
  /** Where it is dropped; readers after this position have the copy. */
  split?: number;
}

interface Choice {
  readonly values: readonly { readonly value: Value; readonly split: number }[];
  readonly position: number;
  readonly work: number;
}

export class Recomputation {
  readonly #order: readonly Node[];
  readonly #find: (t: Tensor) => string;
  /** A tensor's own node may be what it was before rewriting. */
  readonly #nodes: ReadonlyMap<number, Node>;
  readonly #values = new Map<string, Value>();
  readonly #work = new Map<Node, number>();
  /** Where a node's copy runs: before the node at this position. */
  readonly #copies = new Map<Node, number>();

  /** `fixed`: values with a buffer of their own, by key. */
  constructor(order: readonly Node[], find: (t: Tensor) => string, fixed: ReadonlySet<string>) {
    this.#order = order;
    this.#find = find;
    this.#nodes = new Map(order.map((node) => [node.id, node]));
    order.forEach((node, position) => {
      if (!node.op || node.op.isView || node.stage !== 'step') {
        return;
      }
      for (const t of node.inputs) {
        this.#values.get(find(t))?.uses.push(position);
      }
      node.outputs.forEach((type, i) => {
        const root = outputKey(node, i);
        if (!fixed.has(root)) {
          this.#values.set(root, { root, bytes: byteSize(type), producer: node, from: position, uses: [] });
        }
      });
    });
  }

  /** Drops values until `bytes` fewer are alive at once. @returns whether that could be done */
  lower(bytes: number): boolean {
    const target = this.#fullest().bytes - bytes;
    while (this.#dropSome(target)) {
      // Where most is alive may be elsewhere now.
    }
    return this.#fullest().bytes <= target;
  }

  /** Drops some values where most is alive. @returns false when that is at most `target`, or nothing helps */
  #dropSome(target: number): boolean {
    const { position, bytes } = this.#fullest();
    if (bytes <= target) {
      return false;
    }
    // Few large ones rather than many small ones: each costs dispatches too.
    const large = this.#waiting(position, (bytes - target) / 64);
    const waiting = large.length > 0 ? large : this.#waiting(position, 0);
    let saved = 0;
    for (const value of waiting.slice(0, AT_ONCE)) {
      const choice = saved < bytes - target ? this.#choice(value, position) : null;
      if (choice) {
        this.#apply(choice);
        saved += value.bytes;
      }
    }
    return saved > 0;
  }

  /** Values of at least so many bytes that could be dropped at `position`, the best first. */
  #waiting(position: number, bytes: number): Value[] {
    const found: { value: Value; gain: number }[] = [];
    for (const value of this.#values.values()) {
      const choice = value.bytes >= bytes ? this.#choice(value, position) : null;
      if (choice) {
        found.push({ value, gain: value.bytes / choice.work });
      }
    }
    return found.sort((a, b) => b.gain - a.gain).map(({ value }) => value);
  }

  #fullest(): { position: number; bytes: number } {
    const change = new Float64Array(this.#order.length + 1);
    const alive = (from: number, to: number, bytes: number): void => {
      change[from] = at(change, from) + bytes;
      change[to + 1] = at(change, to + 1) - bytes;
    };
    for (const { bytes, from, uses, split, producer } of this.#values.values()) {
      const last = uses.reduce((a, b) => Math.max(a, b), from);
      if (split === undefined) {
        alive(from, last, bytes);
      } else {
        alive(from, Math.max(from, ...uses.filter((use) => use <= split)), bytes);
        const copy = this.#copies.get(producer) ?? last;
        alive(copy, Math.max(copy, last), bytes);
      }
    }
    let bytes = 0;
    let most = { position: 0, bytes: 0 };
    for (let position = 0; position < this.#order.length; position++) {
      bytes += at(change, position);
      if (bytes > most.bytes) {
        most = { position, bytes };
      }
    }
    return most;
  }

  /** How to drop `value` where it waits at `position`; null where it does not, or what makes it cannot run again. */
  #choice(value: Value, position: number): Choice | null {
    if (value.bytes < SMALL || value.split !== undefined || value.from >= position) {
      return null;
    }
    let next = Number.POSITIVE_INFINITY;
    for (const use of value.uses) {
      if (use === position) {
        return null;
      }
      next = use > position ? Math.min(next, use) : next;
    }
    if (!Number.isFinite(next)) {
      return null;
    }
    const values = new Map([[value, position]]);
    const nodes = new Set<Node>([value.producer]);
    let work = 0;
    for (const node of nodes) {
      work += this.#workOf(node);
      if (work > WORTH * value.bytes) {
        return null;
      }
      for (const t of node.inputs) {
        const operand = this.#values.get(this.#find(t));
        if (!operand || values.has(operand)) {
          continue; // A weight or what an earlier stage made; or it is made again already.
        }
        const last = operand.uses.reduce((a, b) => Math.max(a, b), operand.from);
        const copied = operand.split !== undefined && next > operand.split;
        if (!copied && last < next && operand.bytes >= SMALL) {
          values.set(operand, last);
          nodes.add(operand.producer);
        }
      }
    }
    return {
      values: [...values].map(([dropped, split]) => ({ value: dropped, split })),
      position: next,
      work,
    };
  }

  #workOf(node: Node): number {
    let work = this.#work.get(node);
    if (work === undefined) {
      const site = siteOf(node);
      const cost = node.op?.cost(site) ?? { flops: 0, bytes: 0 };
      work = cost.flops + PASS * cost.bytes;
      this.#work.set(node, work);
    }
    return work;
  }

  #apply({ values, position }: Choice): void {
    for (const { value, split } of values) {
      value.split = split;
    }
    for (const { value } of values) {
      this.#copy(value.producer, position);
    }
  }

  /** Has a node run again before `position`, and what it reads be there. */
  #copy(node: Node, position: number): void {
    const before = this.#copies.get(node);
    if (before !== undefined && before <= position) {
      return;
    }
    this.#copies.set(node, position);
    for (const t of node.inputs) {
      const operand = this.#values.get(this.#find(t));
      operand?.uses.push(position);
      if (operand?.split !== undefined && position > operand.split) {
        this.#copy(operand.producer, position);
      }
    }
  }

  /** The order of nodes with the copies in it. */
  rewritten(): readonly Node[] {
    if (this.#copies.size === 0) {
      return this.#order;
    }
    let id = this.#order.reduce((n, node) => Math.max(n, node.id), 0);
    const made = new Map<Node, Node>();
    const result: Node[] = [];
    const seen = (t: Tensor, position: number): Tensor => {
      const value = this.#values.get(this.#find(t));
      const node = this.#nodes.get(t.node.id) ?? t.node;
      return value?.split !== undefined && position > value.split ? new Tensor(again(node, position), t.index) : t;
    };
    const again = (node: Node, position: number): Node => {
      const before = made.get(node);
      if (before) {
        return before;
      }
      id++;
      const copy: Node = {
        ...node,
        id,
        recomputed: true,
        inputs: node.inputs.map((t) => seen(t, position)),
      };
      made.set(node, copy);
      result.push(copy);
      return copy;
    };
    const due = new Map<number, Node[]>();
    for (const node of this.#order) {
      const position = this.#copies.get(node);
      if (position !== undefined) {
        due.set(position, [...(due.get(position) ?? []), node]);
      }
    }
    this.#order.forEach((node, position) => {
      for (const copied of due.get(position) ?? []) {
        again(copied, position);
      }
      const inputs = node.inputs.map((t) => seen(t, position));
      result.push(inputs.some((t, i) => t !== node.inputs[i]) ? { ...node, inputs } : node);
    });
    return result;
  }
}
