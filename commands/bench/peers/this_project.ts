/** This project's engine: each row is a graph of its public ops, planned and replayed as a model is. */
import { openAdapter } from '../../../src/cli/adapter.ts';
import { attention, conv2d, groupNorm, matmul, mul, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import type { Stage } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { traceIteration } from '../network/reno_network.ts';
import { Peak } from '../peak.ts';
import type { Row } from '../row.ts';
import { GROUP_NORM_EPS } from '../row.ts';
import type { Arrays, Prepared } from '../serve_engine.ts';
import { Cannot, serve } from '../serve_engine.ts';

let device: Device | undefined;
let peak: Peak | undefined;
/** Operations of the row that was prepared last. */
let flops = 0;

function opened(): Device {
  if (!device) {
    throw new Error('open comes first');
  }
  return device;
}

/** A trained model's weights are there before a step: their other layouts are made once. */
const WEIGHTS = new Set(['w', 'gamma', 'beta']);

function trace(row: Row): Readonly<Record<string, Tensor>> {
  const graph = new Graph();
  const input = (name: string): Tensor => {
    const stage: Stage = WEIGHTS.has(name) ? 'load' : 'step';
    return graph.inputs.get(name) ?? graph.input(name, row.inputs[name] ?? [], stage);
  };
  const pulledBack = (y: Tensor, ...wrt: readonly Tensor[]): Tensor[] => gradients(sum(mul(y, input('dy'))), wrt);
  const attend = (): Tensor => attention(input('q'), input('k'), input('v'), { heads: row.heads ?? 1 });
  const normalize = (): Tensor =>
    groupNorm(input('x'), input('gamma'), input('beta'), { groups: row.groups ?? 1, eps: GROUP_NORM_EPS });
  switch (row.kind) {
    case 'matmul':
      return { y: matmul(input('a'), input('b')) };
    case 'conv2d':
      return { y: conv2d(input('x'), input('w'), null, { padding: 1 }) };
    case 'conv2d_backward_input': {
      const x = graph.input('x', row.outputs.dx ?? [], 'step');
      const [dx] = pulledBack(conv2d(x, input('w'), null, { padding: 1 }), x);
      return named({ dx });
    }
    case 'attention':
      return { y: attend() };
    case 'attention_gradient': {
      const y = attend();
      const [dq, dk, dv] = pulledBack(y, input('q'), input('k'), input('v'));
      return named({ y, dq, dk, dv });
    }
    case 'group_norm':
      return { y: normalize() };
    case 'group_norm_gradient': {
      const y = normalize();
      const [dx] = pulledBack(y, input('x'));
      return named({ y, dx });
    }
    default:
      throw new Cannot(`no row of kind ${row.kind} here`);
  }
}

function named(values: Readonly<Record<string, Tensor | undefined>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(values).flatMap(([name, t]) => (t ? [[name, t]] : [])));
}

async function prepare(row: Row, inputs: Arrays, attempt: number): Promise<Prepared> {
  if (attempt > 0) {
    throw new Cannot('no other way');
  }
  const traced = row.network ? await traceIteration(row, row.network) : { outputs: trace(row), weights: [] };
  const plan = await compile(opened(), { outputs: traced.outputs });
  flops = plan.summary.flops.step;
  for (const store of traced.weights) {
    await store.upload(plan);
  }
  for (const [name, values] of Object.entries(inputs)) {
    plan.write(name, values);
  }
  await plan.run('load');
  await plan.run('prompt');
  return {
    run: async (repeats) => {
      for (let i = 0; i < repeats; i++) {
        await plan.run('step');
      }
      await plan.finished();
    },
    read: async () =>
      Object.fromEntries(
        await Promise.all(Object.keys(row.outputs).map(async (name) => [name, await plan.read(name)] as const)),
      ),
    release: () => plan.destroy(),
  };
}

await serve({
  open: async () => {
    device = await openAdapter();
    return { version: 'this commit', adapter: device.info.description };
  },
  prepare,
  extra: {
    flops: () => Promise.resolve(flops),
    peak: async () => {
      peak ??= await Peak.on(opened());
      return peak.measure();
    },
  },
});
