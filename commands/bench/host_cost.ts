/**
 * What an iteration costs the host: encoding and submitting all dispatches of a full-size plan, on Dawn's `null` backend, which
 * validates and records as always but computes nothing. Buffers are shrunk, since it has 512 MB; nothing else differs.
 *   npx tsx commands/bench/host_cost.ts [model] [size]
 */
import { openAdapter } from '../../src/cli/adapter.ts';
import { GPU_CAPS, type PlanOptions, planRun } from '../../src/cli/plan/planned_run.ts';
import { Device } from '../../src/tensor/device/device.ts';
import { compileSchedule } from '../../src/tensor/plan/compile.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import type { Schedule, Step } from '../../src/tensor/schedule/schedule.ts';
import { median } from '../../src/tensor/tuning/median.ts';

export interface HostCost {
  readonly model: string;
  /** Dispatches of an iteration. */
  readonly dispatches: number;
  readonly pipelines: number;
  readonly compileSeconds: number;
  /** Medians of encoding and submitting an iteration, a dispatch: by the clock, and of this process's CPU time. */
  readonly wallMicroseconds: number;
  readonly cpuMicroseconds: number;
  /** Microseconds for each dispatch, by the clock, of each run. */
  readonly runs: readonly number[];
}

/** minStorageBufferOffsetAlignment: more than one element of any binding. */
const BINDING_BYTES = 256;
/** More bindings than a dispatch has. */
const BUFFER_BYTES = 16 * BINDING_BYTES;
const WARM_UP = 2;

/** @param runs at least 5. @throws Error as `planRun` */
export async function hostCost(options: PlanOptions, runs = 51): Promise<HostCost> {
  const device = withCaps(await openAdapter({ adapter: '', backend: 'null' }));
  const { model, schedule } = await planRun({ ...options, device });
  const start = performance.now();
  using plan = await compileSchedule(device, shrunk(schedule));
  const compileSeconds = (performance.now() - start) / 1000;
  const dispatches = schedule.steps.step.length;
  const times: { wall: number; cpu: number }[] = [];
  for (let i = 0; i < WARM_UP + runs; i++) {
    times.push(await timed(plan));
  }
  const each = times.slice(WARM_UP).map(({ wall, cpu }) => ({ wall: wall / dispatches, cpu: cpu / dispatches }));
  const result = {
    model,
    dispatches,
    pipelines: device.pipelineCount,
    compileSeconds,
    wallMicroseconds: median(each.map(({ wall }) => wall)),
    cpuMicroseconds: median(each.map(({ cpu }) => cpu)),
    runs: each.map(({ wall }) => wall),
  };
  device.assertHealthy();
  return result;
}

/** Microseconds to encode and submit an iteration. */
async function timed(plan: Plan): Promise<{ wall: number; cpu: number }> {
  const before = process.cpuUsage();
  const start = performance.now();
  await plan.run('step');
  const wall = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(before);
  await plan.finished();
  return { wall, cpu: user + system };
}

/** The null adapter with what a GPU has, as far as its limits allow: nothing runs, so subgroups may have any size. */
function withCaps({ gpu, info, caps }: Device): Device {
  return new Device(
    gpu,
    {
      ...GPU_CAPS,
      maxWorkgroupStorage: Math.min(GPU_CAPS.maxWorkgroupStorage, caps.maxWorkgroupStorage),
      maxInvocations: Math.min(GPU_CAPS.maxInvocations, caps.maxInvocations),
      maxStorageBuffers: Math.min(GPU_CAPS.maxStorageBuffers, caps.maxStorageBuffers),
    },
    { ...info, description: 'null' },
  );
}

/** The same dispatches, their bindings small and apart. */
function shrunk(schedule: Schedule): Schedule {
  const small = <T extends { readonly bytes: number }>(item: T): T => ({
    ...item,
    bytes: Math.min(item.bytes, BUFFER_BYTES),
  });
  const bound = (step: Step): Step => ({
    ...step,
    types: step.types.map(({ dtype }) => ({ dtype, shape: [BINDING_BYTES / 4] })),
    offsets: step.buffers.map((_, i) => i * BINDING_BYTES),
  });
  const steps = { load: [], prompt: [], step: schedule.steps.step.map(bound) };
  const buffers = schedule.buffers.map((buffer) => ({ ...buffer, bytes: BUFFER_BYTES }));
  // Without inputs and earlier stages: a plan refuses to run a step before they are written and have run.
  const uploads = { ...schedule.uploads, load: [], prompt: [] };
  const copies = schedule.copies.map(small);
  return { ...schedule, steps, buffers, inputs: new Map(), uploads, copies, constants: [] };
}

if (import.meta.filename === process.argv[1]) {
  const [, , model = 'sd-turbo', size = '512'] = process.argv;
  const { runs, ...cost } = await hostCost({ model, size: [Number(size), Number(size)] });
  console.log(cost, runs.map((us) => us.toFixed(2)).join(' '));
  process.exit(0);
}
