/** A plan that runs on the CPU interpreter: what the loop needs, in f64 but rounded to f32 where a buffer would be. */
import type { StepRunner } from '../../src/reno/loop/loop.ts';
import type { StepGraph } from '../../src/reno/loop/step_graph.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import type { StageResults } from '../../src/tensor/plan/stage_part.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at, type Stage } from '../../src/tensor/types.ts';

export class InterpretedPlan implements StepRunner {
  readonly values = new Map<string, Float32Array<ArrayBuffer>>();
  /** Reads that were asked for and not yet answered. */
  unread = 0;
  mostUnread = 0;
  readonly #outputs: Readonly<Record<string, Tensor>>;
  readonly #updates: StepGraph['updates'];

  constructor(step: Pick<StepGraph, 'outputs' | 'updates'>) {
    this.#outputs = step.outputs;
    this.#updates = step.updates;
  }

  write(name: string, data: ArrayLike<number>): void {
    this.values.set(name, Float32Array.from(data));
  }

  run(_?: Stage, wanted?: StageResults): void {
    const names = wanted?.outputs ?? Object.keys(this.#outputs);
    const updates = this.#updates.filter(({ state }) => wanted?.states.includes(state.node.name ?? '') ?? true);
    const outputs = names.flatMap((name) => this.#outputs[name] ?? []);
    const tensors = [...outputs, ...updates.map((u) => u.value)];
    const results = interpret(tensors, this.values).map((v) => Float32Array.from(v));
    names.forEach((name, i) => {
      this.values.set(name, at(results, i));
    });
    updates.forEach(({ state }, i) => {
      this.values.set(state.node.name ?? '', at(results, names.length + i));
    });
  }

  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const value = this.values.get(name);
    if (!value) {
      throw new Error(`nothing is named ${name}`);
    }
    const copy = value.slice();
    this.unread += 1;
    this.mostUnread = Math.max(this.mostUnread, this.unread);
    await new Promise((resolve) => setTimeout(resolve));
    this.unread -= 1;
    return copy;
  }
}
