/** Finds values that are no finite numbers in the buffers of a plan. */
import type { Device } from '../device/device.ts';
import { type Node, showPath } from '../graph.ts';
import type { Step } from '../schedule/schedule.ts';
import { at, byteSize, type TensorType } from '../types.ts';
import type { PlanBuffers } from './plan_buffers.ts';
import { copied } from './readback.ts';

/** The first result of a stage that holds a value which is no finite number. */
export interface NotFinite {
  readonly node: Node;
  /** The number of the output. */
  readonly output: number;
  readonly type: TensorType;
  /** The label of its kernel, which names the ops that are fused in it. */
  readonly kernel: string;
}

/** Names the place of such a value: its op and module path. */
export const describeNotFinite = ({ node }: NotFinite): string => `${node.op?.name ?? 'input'} in ${showPath(node)}`;

/**
 * Reads the outputs of the node that ended with step `last`, when that step has run.
 * @returns null where another step of the node follows, or all values are finite @throws GpuError
 */
export async function notFiniteOutput(
  device: Device,
  steps: readonly Step[],
  last: number,
  buffers: PlanBuffers,
): Promise<NotFinite | null> {
  const { node } = at(steps, last);
  if (steps[last + 1]?.node === node) {
    return null;
  }
  for (let i = last; steps[i]?.node === node; i--) {
    const step = at(steps, i);
    for (const [k, { ref, access }] of step.dispatch.bindings.entries()) {
      const type = at(step.types, k);
      if (!('output' in ref) || access === 'read' || type.dtype === 'i32') {
        continue;
      }
      const bytes = await copied(
        device,
        node.path,
        buffers.at(at(step.buffers, k)),
        at(step.offsets, k),
        byteSize(type),
      );
      if (!holdsFinite(type, bytes)) {
        return { node, output: ref.output, type, kernel: step.dispatch.label };
      }
    }
  }
  return null;
}

function holdsFinite({ dtype }: TensorType, { buffer }: Uint8Array<ArrayBuffer>): boolean {
  return dtype === 'f16'
    ? new Uint16Array(buffer).every((bits) => (bits & 0x7c00) !== 0x7c00)
    : new Float32Array(buffer).every(Number.isFinite);
}
