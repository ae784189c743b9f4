/** Compiles the pipelines of a plan one after another, and reads what the driver says of each. */
import type { Device } from '../../src/tensor/device.ts';
import type { Dispatch, MatrixWork } from '../../src/tensor/dispatch.ts';
import { type Node, siteOf } from '../../src/tensor/graph.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import type { Schedule } from '../../src/tensor/schedule/schedule.ts';
import { at } from '../../src/tensor/types.ts';
import { driverStatistics } from './driver_statistics.ts';
import { countInstructions } from './instruction_kinds.ts';

/** A compiled pipeline, and the part of an iteration that it computes. */
export interface CompiledKernel {
  readonly label: string;
  /** Dispatches of an iteration that run it. */
  readonly dispatches: number;
  /** Its share of the arithmetic of the ops that it computes, in an iteration (`sharesOf`). */
  readonly flops: number;
  /** The work on matrix units of one dispatch, but with the `flops` of all of them; null where there is none. */
  readonly matrixWork: MatrixWork | null;
  readonly wgsl: string;
  /** The keys are the driver's own names. */
  readonly statistics: Readonly<Record<string, number>>;
  /** Instructions by mnemonic. */
  readonly instructions: ReadonlyMap<string, number>;
}

interface Use {
  readonly label: string;
  readonly compile: () => Promise<unknown>;
  dispatches: number;
  flops: number;
  matrixWork: MatrixWork | null;
}

/**
 * How the arithmetic of an op is divided over its dispatches: by what each asks of matrix units, or all to the first where none
 * does.
 */
export function sharesOf(dispatches: readonly Pick<Dispatch, 'matrixWork'>[]): number[] {
  const asked = dispatches.map(({ matrixWork }) => matrixWork?.flops ?? 0);
  const all = asked.reduce((sum, flops) => sum + flops, 0);
  return asked.map((flops, i) => (all > 0 ? flops / all : i === 0 ? 1 : 0));
}

/** The distinct pipelines of the plan's iteration, by final WGSL. */
function usesOf(device: Device, schedule: Schedule): Map<string, Use> {
  const uses = new Map<string, Use>();
  const steps = schedule.steps.step;
  const ofNode = new Map<Node, Dispatch[]>();
  for (const { node, dispatch } of steps) {
    ofNode.set(node, [...(ofNode.get(node) ?? []), dispatch]);
  }
  const shares = new Map(
    [...ofNode.values()].flatMap((own) => sharesOf(own).map((share, i): [Dispatch, number] => [at(own, i), share])),
  );
  for (const { node, dispatch, types } of steps) {
    const code = assemble(dispatch, types, device.caps);
    const overrides = dispatch.overrides ?? {};
    const key = `${JSON.stringify(overrides)}\n${code}`;
    const accesses = dispatch.bindings.map((b) => (b.access === 'read' ? 'r' : 'w')).join('');
    const layout = device.layout(Object.keys(dispatch.params).length > 0, accesses);
    const use = uses.get(key) ?? {
      label: dispatch.label,
      compile: () => device.pipeline(dispatch.label, code, layout, overrides),
      dispatches: 0,
      flops: 0,
      matrixWork: null,
    };
    const { matrixWork = null } = dispatch;
    use.dispatches += 1;
    use.flops += (shares.get(dispatch) ?? 0) * (node.op?.cost(siteOf(node)).flops ?? 0);
    use.matrixWork = matrixWork && { ...matrixWork, flops: matrixWork.flops + (use.matrixWork?.flops ?? 0) };
    uses.set(key, use);
  }
  return uses;
}

/**
 * Compiles every pipeline of an iteration on `device`, which the layer of layer.ts watches; it writes to `out`.
 * @throws Error when a kernel does not compile, or the layer says nothing of one
 */
export async function compilePipelines(device: Device, schedule: Schedule, out: string): Promise<CompiledKernel[]> {
  const uses = usesOf(device, schedule);
  for (const { compile } of uses.values()) {
    await compile(); // One at a time: the layer writes its lines in this order.
  }
  const compiled = driverStatistics(out, uses.size);
  return [...uses].map(([wgsl, { label, dispatches, flops, matrixWork }], i) => {
    const { statistics, assembly } = at(compiled, i);
    return { label, dispatches, flops, matrixWork, wgsl, statistics, instructions: countInstructions(assembly) };
  });
}
