/**
 * Reports for debugging, by level (the command's `DEBUG=reno:N`): 1 summary, 2 kernel times, 3 graph and liveness, 4 WGSL, 5 each
 * node compared with the interpreter.
 */

import type { Device } from './device/device.ts';
import type { DeviceCaps } from './device/device_caps.ts';
import { outputKey, showPath, siteOf } from './graph.ts';
import type { Feeds } from './interpreter.ts';
import { needed, nodeValues } from './interpreter.ts';
import { assemble } from './kernel.ts';
import { compile } from './plan/compile.ts';
import type { Plan } from './plan/plan.ts';
import type { PlanSpec } from './schedule/plan_spec.ts';
import type { Schedule, Step } from './schedule/schedule.ts';
import { Tensor } from './tensor.ts';
import { nmse } from './tuning/nmse.ts';
import type { Stage } from './types.ts';
import { at, STAGES, showType } from './types.ts';

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Level 1: dispatches, arithmetic and memory. */
export function describePlan(plan: Plan): string {
  const { dispatches, flops, memory } = plan.summary;
  const stages = STAGES.map((s) => `${s} ${dispatches[s]} dispatches ${(flops[s] / 1e9).toFixed(3)} GFLOP`).join(', ');
  return (
    `${stages}; ${mib(memory.resident)} MiB inputs, ${mib(memory.persistent)} MiB persistent, ${mib(memory.shared)} MiB shared, ` +
    `${mib(memory.loadOnly)} MiB freed after loading`
  );
}

export interface KernelTime {
  readonly label: string;
  readonly count: number;
  readonly ms: number;
  /** Share of the stage's time. */
  readonly share: number;
  /** GFLOP/s by the ops' cost; a multi-dispatch op's arithmetic is counted with its first dispatch. */
  readonly gflops: number;
}

/** Level 2: GPU time by kernel, slowest first. */
export function kernelTimes(profile: readonly { readonly step: Step; readonly ns: number }[]): KernelTime[] {
  const total = profile.reduce((n, p) => n + p.ns, 0);
  const rows = new Map<string, { count: number; ns: number; flops: number }>();
  profile.forEach(({ step, ns }, i) => {
    const { node, dispatch } = step;
    const row = rows.get(dispatch.label) ?? { count: 0, ns: 0, flops: 0 };
    const isFirst = profile[i - 1]?.step.node !== node;
    const site = siteOf(node);
    row.count += 1;
    row.ns += ns;
    row.flops += isFirst ? (node.op?.cost(site).flops ?? 0) : 0;
    rows.set(dispatch.label, row);
  });
  return [...rows]
    .map(([label, { count, ns, flops }]) => ({
      label,
      count,
      ms: ns / 1e6,
      share: total > 0 ? ns / total : 0,
      gflops: ns > 0 ? flops / ns : 0,
    }))
    .sort((a, b) => b.ms - a.ms);
}

/** Level 3: each dispatch with its module path, types and buffers. */
export function describeSchedule(schedule: Schedule): string {
  return STAGES.flatMap((stage) =>
    schedule.steps[stage].map(({ node, dispatch, types, buffers }, i) => {
      const bound = dispatch.bindings.map((b, k) => `${b.name}:${showType(at(types, k))}@${at(buffers, k)}`).join(' ');
      return `${stage} ${i} ${dispatch.label} [${dispatch.workgroups.join('x')}] ${bound} ${showPath(node)}`;
    }),
  ).join('\n');
}

/** Level 4: the distinct kernels, as they are given to the compiler. */
export function describeKernels(schedule: Schedule, caps: DeviceCaps): string {
  const kernels = new Map<string, string>();
  for (const stage of STAGES) {
    for (const { dispatch, types } of schedule.steps[stage]) {
      kernels.set(assemble(dispatch, types, caps), dispatch.label);
    }
  }
  return [...kernels].map(([code, label]) => `// ${label}\n${code}`).join('\n\n');
}

export interface Divergence {
  readonly op: string;
  readonly path: string;
  readonly type: string;
  /** Normalised mean squared error against the f64 interpreter; NaN where the GPU gave NaN. */
  readonly nmse: number;
}

/**
 * Level 5: runs all stages unfused with every node as an output and reports the first node that is not what the
 * interpreter says.
 * @returns null when all nodes agree within `bound`.
 */
export async function firstDivergence(
  device: Device,
  spec: PlanSpec,
  feeds: Feeds,
  bound = 1e-5,
): Promise<Divergence | null> {
  const roots = [...Object.values(spec.outputs), ...(spec.updates ?? []).map((u) => u.value)].map((t) => t.node);
  const nodes = needed(roots).filter((n) => n.op);
  const all = new Map(nodes.flatMap((n) => n.outputs.map((_, i) => [outputKey(n, i), new Tensor(n, i)] as const)));
  using plan = await compile(device, { ...spec, outputs: Object.fromEntries(all), updates: [], fuse: false });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  for (const stage of STAGES satisfies readonly Stage[]) {
    await plan.run(stage);
  }
  const expected = nodeValues(roots, feeds);
  for (const [name, tensor] of all) {
    const error = nmse(await plan.read(name), at(expected.get(tensor.node.id) ?? [], tensor.index));
    if (!(error <= bound)) {
      const { node } = tensor;
      return { op: node.op?.name ?? 'input', path: showPath(node), type: showType(tensor.type), nmse: error };
    }
  }
  return null;
}
