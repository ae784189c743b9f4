/**
 * Recomputation (rematerialisation): a value that waits long for its next reader, mostly from the forward to the backward pass,
 * is evicted after the last reader before and computed a second time by a copy of its node: the same kernel on the same
 * operands, so the same bits. A greedy choice: at the position where most bytes are live, it evicts what saves the most bytes
 * for the work (as dynamic tensor rematerialisation does, Kirisame et al. 2021, but before the run).
 */
import { type Node, outputKey, replaceInputs, siteOf } from '../graph.ts';
import { Tensor } from '../tensor.ts';
import { append, at, byteSize } from '../types.ts';
import type { ValueKey } from './liveness.ts';

/** Floating-point operations that count as much as moving one byte: what a kernel bound by bandwidth could do meanwhile. */
const FLOPS_PER_BYTE = 32;
/** A smaller value is never evicted. */
const MIN_BYTES = 1 << 16;
/**
 * Maximum work per byte saved: what a GPU of 50 TFLOP/s does while 12 GB/s upload one byte of a weight twice, which would save
 * as much. A 3×3 convolution of 512 channels in f16 takes 4,608.
 */
const MAX_WORK_PER_BYTE = 8000;
/** A value that saves at least this share of what is still to be saved goes before smaller ones: each eviction costs dispatches too. */
const LARGE_SHARE = 1 / 16;

interface Value {
  readonly bytes: number;
  readonly producer: Node;
  /** Position of the producer. */
  readonly from: number;
  /** Positions of its readers, copies of nodes included. */
  readonly uses: number[];
  /** The value is evicted after this position; later readers read the copy. */
  evictedAfter?: number;
}

/** The eviction of a value, with those operands of its copy that must be evicted and recomputed along with it. */
interface Eviction {
  readonly values: readonly { readonly value: Value; readonly after: number }[];
  /** The copies run before the node at this position. */
  readonly position: number;
  readonly work: number;
}

/** Chooses the values to recompute in the step stage of one order of nodes. */
export class Recomputation {
  readonly #order: readonly Node[];
  readonly #valueKey: ValueKey;
  /** Nodes of the order by id. A tensor may still refer to the node that rewriting replaced. */
  readonly #nodes: ReadonlyMap<number, Node>;
  readonly #values = new Map<string, Value>();
  readonly #work = new Map<Node, number>();
  /** The position before which the copy of a node runs. */
  readonly #copies = new Map<Node, number>();

  /** @param fixed keys of values with a dedicated buffer */
  constructor(order: readonly Node[], valueKey: ValueKey, fixed: ReadonlySet<string>) {
    this.#order = order;
    this.#valueKey = valueKey;
    this.#nodes = new Map(order.map((node) => [node.id, node]));
    order.forEach((node, position) => {
      if (!node.op || node.op.isView || node.stage !== 'step') {
        return;
      }
      for (const t of node.inputs) {
        this.#valueOf(t)?.uses.push(position);
      }
      node.outputs.forEach((type, i) => {
        const key = outputKey(node, i);
        if (!fixed.has(key)) {
          this.#values.set(key, { bytes: byteSize(type), producer: node, from: position, uses: [] });
        }
      });
    });
  }

  /** Evicts values until the peak of live bytes is lower by `bytes`. @returns false when it cannot become so low */
  lowerPeak(bytes: number): boolean {
    const target = this.#peak().bytes - bytes;
    while (this.#evictOne(target)) {
      // The next peak may be at another position: several evictions for one peak would undo each other there.
    }
    return this.#peak().bytes <= target;
  }

  /** Returns the order of nodes with the copies in it. */
  orderWithCopies(): readonly Node[] {
    if (this.#copies.size === 0) {
      return this.#order;
    }
    let id = this.#order.reduce((n, node) => Math.max(n, node.id), 0);
    const copies = new Map<Node, Node>();
    const order: Node[] = [];
    const readAt = (t: Tensor, position: number): Tensor => {
      const node = this.#nodes.get(t.node.id) ?? t.node;
      return this.#isEvicted(this.#valueOf(t), position) ? new Tensor(copyOf(node, position), t.index) : t;
    };
    const copyOf = (node: Node, position: number): Node => {
      const found = copies.get(node);
      if (found) {
        return found;
      }
      id++;
      const copy: Node = { ...node, id, recomputed: true, inputs: node.inputs.map((t) => readAt(t, position)) };
      copies.set(node, copy);
      order.push(copy);
      return copy;
    };
    const copiedBefore = new Map<number, Node[]>();
    for (const node of this.#order) {
      const position = this.#copies.get(node);
      if (position !== undefined) {
        append(copiedBefore, position, node);
      }
    }
    this.#order.forEach((node, position) => {
      for (const copied of copiedBefore.get(position) ?? []) {
        copyOf(copied, position);
      }
      order.push(replaceInputs(node, (t) => readAt(t, position)));
    });
    return order;
  }

  #valueOf(t: Tensor): Value | undefined {
    return this.#values.get(this.#valueKey(t));
  }

  /** Whether a reader at `position` finds the value evicted. */
  #isEvicted(value: Value | undefined, position: number): boolean {
    return value?.evictedAfter !== undefined && position > value.evictedAfter;
  }

  /** Evicts a value at the peak. @returns false when the peak is at most `target`, or no eviction helps */
  #evictOne(target: number): boolean {
    const { position, bytes } = this.#peak();
    if (bytes <= target) {
      return false;
    }
    const eviction = this.#bestEviction(position, (bytes - target) * LARGE_SHARE) ?? this.#bestEviction(position, 0);
    if (eviction) {
      this.#evict(eviction);
    }
    return eviction !== null;
  }

  /** Returns the eviction, of a value of at least `minBytes`, that saves most at `position` for its work; null where there is none. */
  #bestEviction(position: number, minBytes: number): Eviction | null {
    let best: { readonly eviction: Eviction; readonly gain: number } | null = null;
    for (const value of this.#values.values()) {
      const eviction = value.bytes >= minBytes ? this.#evictionOf(value, position) : null;
      if (eviction && value.bytes / eviction.work > (best?.gain ?? 0)) {
        best = { eviction, gain: value.bytes / eviction.work };
      }
    }
    return best?.eviction ?? null;
  }

  /** Returns the position at which most bytes are live. */
  #peak(): { position: number; bytes: number } {
    const change = new Float64Array(this.#order.length + 1);
    const addInterval = (from: number, to: number, bytes: number): void => {
      change[from] = at(change, from) + bytes;
      change[to + 1] = at(change, to + 1) - bytes;
    };
    for (const { bytes, from, uses, evictedAfter, producer } of this.#values.values()) {
      const last = uses.reduce((a, b) => Math.max(a, b), from);
      if (evictedAfter === undefined) {
        addInterval(from, last, bytes);
      } else {
        addInterval(from, Math.max(from, ...uses.filter((use) => use <= evictedAfter)), bytes);
        const copy = this.#copies.get(producer) ?? last;
        addInterval(copy, Math.max(copy, last), bytes);
      }
    }
    let bytes = 0;
    let peak = { position: 0, bytes: 0 };
    for (let position = 0; position < this.#order.length; position++) {
      bytes += at(change, position);
      if (bytes > peak.bytes) {
        peak = { position, bytes };
      }
    }
    return peak;
  }

  /** Returns the eviction of a value that is live but not read at `position`; null where it cannot be evicted. */
  #evictionOf(value: Value, position: number): Eviction | null {
    if (value.bytes < MIN_BYTES || value.evictedAfter !== undefined || value.from >= position) {
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
      if (work > MAX_WORK_PER_BYTE * value.bytes) {
        return null;
      }
      for (const t of node.inputs) {
        const operand = this.#valueOf(t);
        if (!operand || values.has(operand)) {
          continue; // A weight, a result of an earlier stage, or an operand that is recomputed already.
        }
        const last = operand.uses.reduce((a, b) => Math.max(a, b), operand.from);
        if (!this.#isEvicted(operand, next) && last < next && operand.bytes >= MIN_BYTES) {
          values.set(operand, last);
          nodes.add(operand.producer);
        }
      }
    }
    return {
      values: [...values].map(([evicted, after]) => ({ value: evicted, after })),
      position: next,
      work,
    };
  }

  #workOf(node: Node): number {
    let work = this.#work.get(node);
    if (work === undefined) {
      const cost = node.op?.cost(siteOf(node)) ?? { flops: 0, bytes: 0 };
      work = cost.flops + FLOPS_PER_BYTE * cost.bytes;
      this.#work.set(node, work);
    }
    return work;
  }

  #evict({ values, position }: Eviction): void {
    for (const { value, after } of values) {
      value.evictedAfter = after;
    }
    for (const { value } of values) {
      this.#copyBefore(value.producer, position);
    }
  }

  /** Makes a copy of `node` run before `position`, and its evicted operands be recomputed by then. */
  #copyBefore(node: Node, position: number): void {
    const earlier = this.#copies.get(node);
    if (earlier !== undefined && earlier <= position) {
      return;
    }
    this.#copies.set(node, position);
    for (const t of node.inputs) {
      const operand = this.#valueOf(t);
      operand?.uses.push(position);
      if (operand && this.#isEvicted(operand, position)) {
        this.#copyBefore(operand.producer, position);
      }
    }
  }
}
