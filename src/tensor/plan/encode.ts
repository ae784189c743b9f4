/** Encodes scheduled dispatches for WebGPU and submits them. */
import type { Device } from '../device/device.ts';
import { assemble } from '../kernel.ts';
import type { Uniforms } from '../schedule/buffers.ts';
import type { Step } from '../schedule/schedule.ts';
import { at, byteSize } from '../types.ts';
import type { PlanBuffers } from './plan_buffers.ts';

/** Dispatches per submission: enough to keep the queue full, and few enough for the watchdogs of browsers. */
export const DISPATCHES_PER_SUBMIT = 256;

/** A dispatch that can be submitted as often as wanted. */
export interface Encoded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Compiles the pipeline of a step (equal ones once per device) and binds its buffers. */
export async function encode(
  device: Device,
  step: Step,
  buffers: PlanBuffers,
  uniforms: Uniforms,
  uniformBuffer: GPUBuffer | null,
): Promise<Encoded> {
  const { dispatch, types } = step;
  const slot = uniforms.find(dispatch.params);
  const accesses = dispatch.bindings.map((b) => (b.access === 'read' ? 'r' : 'w')).join('');
  const layout = device.layout(slot !== null, accesses);
  const code = assemble(dispatch, types, device.caps);
  const pipeline = await device.pipeline(dispatch.label, code, layout, dispatch.overrides ?? {});
  const entries: GPUBindGroupEntry[] = step.buffers.map((b, i) => ({
    binding: i + 1,
    resource: { buffer: buffers.at(b), offset: at(step.offsets, i), size: byteSize(at(types, i)) },
  }));
  if (slot !== null && uniformBuffer) {
    entries.unshift({ binding: 0, resource: { buffer: uniformBuffer, offset: slot.offset, size: slot.size } });
  }
  return { pipeline, bindGroup: device.gpu.createBindGroup({ layout, entries }), workgroups: dispatch.workgroups };
}

/** Submits `list` from `from` to `to` (exclusive). */
export function submit(gpu: GPUDevice, label: string, list: readonly Encoded[], from: number, to: number): void {
  for (let start = from; start < to; start += DISPATCHES_PER_SUBMIT) {
    const encoder = gpu.createCommandEncoder({ label });
    encodePass(encoder, list.slice(start, Math.min(to, start + DISPATCHES_PER_SUBMIT)));
    gpu.queue.submit([encoder.finish()]);
  }
}

/** Encodes one compute pass with all of `list`. */
export function encodePass(
  encoder: GPUCommandEncoder,
  list: readonly Encoded[],
  descriptor?: GPUComputePassDescriptor,
): void {
  const open = encoder.beginComputePass(descriptor);
  for (const { pipeline, bindGroup, workgroups } of list) {
    open.setPipeline(pipeline);
    open.setBindGroup(0, bindGroup);
    // Dawn converts each argument, and spreading an array costs more.
    const [x, y, z] = workgroups;
    if (z > 1) {
      open.dispatchWorkgroups(x, y, z);
    } else if (y > 1) {
      open.dispatchWorkgroups(x, y);
    } else {
      open.dispatchWorkgroups(x);
    }
  }
  open.end();
}
