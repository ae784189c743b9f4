/** Compiles the pipelines of a plan one after another, and reads what the driver says of each. */
import type { DeviceCaps } from '../../src/tensor/device/device_caps.ts';
import type { Dispatch, MatrixWork } from '../../src/tensor/dispatch.ts';
import { type Node, siteOf } from '../../src/tensor/graph.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import type { OpSite } from '../../src/tensor/op.ts';
import type { Schedule, Step } from '../../src/tensor/schedule/schedule.ts';
import { append, at, STAGES, type Stage, showType } from '../../src/tensor/types.ts';
import type { CompiledKernel, GpuCompiler } from './gpu_compiler.ts';

/** A pipeline of a plan: one final WGSL, and the part of an iteration that it computes. */
export interface PipelineUse {
  /** Op, variant and what is done in the store, such as `matmul.gpu_tile+gelu`. */
  readonly label: string;
  /** The types of the site with the most arithmetic, as `showSite` gives them. */
  site: string;
  /** The dispatches of each stage that run it. */
  readonly dispatches: Record<Stage, number>;
  /** Its share of the arithmetic of the ops that it computes, in an iteration (`sharesOf`). */
  flops: number;
  /** The work on matrix units of one dispatch, but with the `flops` of all of them; null where there is none. */
  matrixWork: MatrixWork | null;
}

/** A pipeline that was compiled, or the reason why it could not be. */
export interface CompiledUse extends PipelineUse {
  readonly compiled: CompiledKernel | Error;
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

/** The first inputs and the first output of a site, such as `f16[4096,320] f16[320,640] → f16[4096,640]`. */
function showSite({ inputs, outputs }: OpSite): string {
  const shown = [...inputs.slice(0, 2).map(showType), ...(inputs.length > 2 ? ['…'] : [])];
  return `${shown.join(' ')} → ${outputs.slice(0, 1).map(showType).join('')}`;
}

interface Found extends PipelineUse {
  readonly step: Step;
  most: number;
}

/** The distinct pipelines of a plan, by final WGSL, those with the most arithmetic first. */
function usesOf(caps: DeviceCaps, schedule: Schedule): Found[] {
  const uses = new Map<string, Found>();
  for (const stage of STAGES) {
    const steps = schedule.steps[stage];
    const ofNode = new Map<Node, Dispatch[]>();
    for (const { node, dispatch } of steps) {
      append(ofNode, node, dispatch);
    }
    const shares = new Map(
      [...ofNode.values()].flatMap((own) => sharesOf(own).map((share, i): [Dispatch, number] => [at(own, i), share])),
    );
    for (const step of steps) {
      const { node, dispatch, types } = step;
      const key = `${JSON.stringify(dispatch.overrides ?? {})}\n${assemble(dispatch, types, caps)}`;
      const use = uses.get(key) ?? {
        ...{ label: dispatch.label, site: '', step, flops: 0, most: -1, matrixWork: null },
        dispatches: { load: 0, prompt: 0, step: 0 },
      };
      use.dispatches[stage] += 1;
      const { matrixWork = null } = dispatch;
      const site = siteOf(node);
      const own = stage === 'step' ? (shares.get(dispatch) ?? 0) * (node.op?.cost(site).flops ?? 0) : 0;
      use.flops += own;
      if (own > use.most) {
        use.most = own;
        use.site = showSite(node.op?.inner?.site ?? site);
      }
      if (stage === 'step') {
        use.matrixWork = matrixWork && { ...matrixWork, flops: matrixWork.flops + (use.matrixWork?.flops ?? 0) };
      }
      uses.set(key, use);
    }
  }
  return [...uses.values()].sort((a, b) => b.flops - a.flops);
}

/**
 * Compiles the pipelines of a plan.
 * @param least only those with at least this share of the arithmetic of an iteration, from 0 to 1
 * @returns those with the most arithmetic first
 */
export async function compilePipelines(
  compiler: GpuCompiler,
  schedule: Schedule,
  least: number,
): Promise<{ readonly compiled: CompiledUse[]; readonly flops: number }> {
  const uses = usesOf(compiler.device.caps, schedule);
  const flops = uses.reduce((sum, use) => sum + use.flops, 0);
  const compiled: CompiledUse[] = [];
  for (const { step, most: _, ...use } of uses.filter((one) => one.flops >= least * flops)) {
    const answer = await compiler.compile(step).catch((error: unknown) => {
      compiler.device.assertHealthy();
      return error instanceof Error ? error : new Error(String(error));
    });
    compiled.push({ ...use, compiled: answer });
  }
  return { compiled, flops };
}
