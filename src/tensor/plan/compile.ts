/** From a graph to a plan that can be replayed: buffers, pipelines and bind groups are made here, and only here. */
import type { Device } from '../device/device.ts';
import { withNeed } from '../device/gpu_error.ts';
import { Uniforms } from '../schedule/buffers.ts';
import type { PlanSpec } from '../schedule/plan_spec.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { fastestSchedule } from '../schedule/scheduler.ts';
import { matrixKernels } from '../tuning/kernel_check.ts';
import type { Stage, TensorType } from '../types.ts';
import { at, STAGES } from '../types.ts';
import { USAGE } from './buffer_usage.ts';
import { checkedGraph } from './check_spec.ts';
import { type Encoded, encode } from './encode.ts';
import { toBytes } from './host_values.ts';
import { checkLimits } from './limits.ts';
import { Plan } from './plan.ts';
import { PlanBuffers } from './plan_buffers.ts';

/**
 * Plans `spec` for `device`: schedules, allocates, compiles all pipelines in parallel and binds.
 * @throws Error, one sentence: a spec that is not one computation, a device that was lost or destroyed, a buffer that is
 *   larger than the adapter allows, or too little memory (with the need and the limit)
 */
export async function compile(device: Device, spec: PlanSpec): Promise<Plan> {
  const { inputs } = checkedGraph(spec);
  device.assertHealthy();
  const schedule = await scheduleFor(device, spec);
  return compileSchedule(device, schedule, new Map([...inputs].map(([name, { type }]) => [name, type])));
}

/** Schedules `spec` for `device`. Kernels that need a check there have passed it; those that fail are left out. @throws Error as `compile` */
export async function scheduleFor(device: Device, spec: PlanSpec): Promise<Schedule> {
  const tuning = spec.tuning ?? device.tuning;
  // Bundles load the planner of budgets when there is one.
  const plan = spec.budget === undefined ? fastestSchedule : (await import('../schedule/planner.ts')).createSchedule;
  for (;;) {
    const { caps } = device;
    const schedule = plan({ ...spec, ...(tuning ? { tuning } : {}) }, caps);
    if (!spec.unchecked) {
      await device.kernelCheck?.ensure(matrixKernels(schedule));
    }
    if (device.caps === caps) {
      return schedule;
    }
    // A variant was left out; what takes its place may have to be checked too.
  }
}

/**
 * As `compile`, for what is scheduled already, for an adapter of the same capabilities.
 * @param declared the inputs of the graph; default: those that the schedule reads
 * @throws Error as `compile`
 */
export async function compileSchedule(
  device: Device,
  schedule: Schedule,
  declared: ReadonlyMap<string, TensorType> = new Map([
    ...[...schedule.inputs].map(([name, { type }]) => [name, type] as const),
    ...schedule.streams,
  ]),
): Promise<Plan> {
  checkLimits(device, schedule);
  const buffers = await PlanBuffers.allocate(device, schedule);
  let uniformBuffer: GPUBuffer | null = null;
  try {
    for (const { buffer, node } of schedule.constants) {
      const bytes = toBytes('constant', at(node.outputs, 0), node.data ?? []);
      device.gpu.queue.writeBuffer(buffers.at(buffer), 0, bytes);
    }
    const uniforms = Uniforms.of(schedule);
    uniformBuffer = uploadUniforms(device, uniforms);
    const encoded: Record<Stage, Encoded[]> = { load: [], prompt: [], step: [] };
    for (const stage of STAGES) {
      encoded[stage] = await Promise.all(
        schedule.steps[stage].map((step) => encode(device, step, buffers, uniforms, uniformBuffer)),
      );
    }
    device.assertHealthy();
    return new Plan(device, schedule, buffers, encoded, uniformBuffer, declared);
  } catch (error) {
    buffers.destroy();
    if (uniformBuffer) {
      device.memory.destroy(uniformBuffer);
    }
    throw withNeed(error, buffers.bytes);
  }
}

function uploadUniforms({ gpu, memory }: Device, uniforms: Uniforms): GPUBuffer | null {
  if (uniforms.bytes === 0) {
    return null;
  }
  const buffer = memory.create({ label: 'params', size: uniforms.bytes, usage: USAGE.UNIFORM | USAGE.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, uniforms.image());
  return buffer;
}
