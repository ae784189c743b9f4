/**
 * Weights without files: a kernel fills the buffers of a plan with the values of commands/fullsize/seeded_values.ts, so that a
 * full-size model is there in a second. Weights that the plan streams are made on the CPU, piece by piece.
 */
import type { WeightStore } from '../../src/models/weights/weight_store.ts';
import type { TracedRun } from '../../src/reno/trace.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { USAGE } from '../../src/tensor/plan/buffer_usage.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import type { Pieces } from '../../src/tensor/plan/stream.ts';
import { at, byteSize, sizeOf, type TensorType } from '../../src/tensor/types.ts';
import { fillValues, keyOf, lookup, MEAN, STD, type StoredFloat } from '../fullsize/seeded_values.ts';
import { type Spread, spreadOf } from '../fullsize/spread.ts';

/** splitmix32's finaliser over a Weyl sequence; the sum of the four bytes is almost normal. */
const KERNEL = /* wgsl */ `
struct Params { key: u32, first: u32, words: u32, across: u32, mean: f32, scale: f32, half: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn value(i: u32) -> f32 {
  let state = params.key + (i + 1u) * 0x9e3779b9u;
  var h = state ^ (state >> 16u);
  h *= 0x21f0aaadu;
  h ^= h >> 15u;
  h *= 0x735a2d97u;
  h ^= h >> 15u;
  let sum = (h & 255u) + ((h >> 8u) & 255u) + ((h >> 16u) & 255u) + (h >> 24u);
  return params.mean + params.scale * (f32(sum) - ${MEAN}.0);
}

@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.across + id.x;
  if (i < params.words) {
    y[params.first + i] = select(
      bitcast<u32>(value(i)),
      pack2x16float(vec2f(value(2u * i), value(2u * i + 1u))),
      params.half == 1u,
    );
  }
}`;

const WORKGROUP = 256;
/** Workgroups along x: less than 65,535, which WebGPU allows. */
const ACROSS = 32768;
/** Bytes between the parameters of two dispatches: minUniformBufferOffsetAlignment at most. */
const STRIDE = 256;

interface Fill {
  readonly buffer: GPUBuffer;
  /** First byte of the binding, and of the values in it. */
  readonly binding: number;
  readonly first: number;
  readonly words: number;
  readonly key: number;
  readonly spread: Spread;
  readonly half: boolean;
}

/** Gives all weights of `stores` values: almost normal, as large as `spreadOf` says for the stored tensor. @returns their bytes */
export async function seedWeights(device: Device, plan: Plan, stores: readonly WeightStore[]): Promise<number> {
  const fills: Fill[] = [];
  let bytes = 0;
  for (const store of stores) {
    await store.upload({
      write: (name) => {
        throw new Error(`${name}: its values are made, not read`);
      },
      reads: (name) => plan.reads(name),
      stream: (name, _, stored) => {
        const spread = spreadOf(stored.name, stored.shape);
        const place = plan.fillable(name);
        const type = place?.input.type ?? plan.schedule.streams.get(name);
        if (!type) {
          return true; // Nothing reads it.
        }
        bytes += byteSize(type);
        if (!place) {
          return plan.stream(name, seededPieces(name, type, spread));
        }
        if (place.input.scales !== undefined) {
          throw new Error(`${name}: 8-bit weights are made from files alone`);
        }
        const { offset } = place.input;
        const binding = offset - (offset % device.limits.minStorageBufferOffsetAlignment);
        fills.push({
          buffer: place.buffer,
          binding,
          first: (offset - binding) / 4,
          words: byteSize(type) / 4,
          key: keyOf(name),
          spread,
          half: type.dtype === 'f16',
        });
        return true;
      },
    });
  }
  await fill(device, fills);
  return bytes;
}

/** Fills the inputs that depend on the prompt, and runs the text encoders. */
export async function readPrompt(plan: Plan, { pipeline, networks }: TracedRun, prompt: string): Promise<void> {
  for (const part of [pipeline, ...networks]) {
    for (const [name, values] of part.promptValues(prompt)) {
      plan.write(name, values);
    }
  }
  await plan.run('prompt');
  await plan.finished();
}

async function fill(device: Device, fills: readonly Fill[]): Promise<void> {
  if (fills.length === 0) {
    return;
  }
  const { gpu, memory } = device;
  const layout = device.layout(true, 'w');
  const pipeline = await device.pipeline('seeded weights', KERNEL, layout, {});
  const uniforms = memory.create({ size: fills.length * STRIDE, usage: USAGE.UNIFORM | USAGE.COPY_DST });
  const image = new DataView(new ArrayBuffer(fills.length * STRIDE));
  fills.forEach(({ key, first, words, spread: { mean, std }, half }, i) => {
    const ints = [key, first, words, ACROSS * WORKGROUP];
    ints.forEach((value, k) => {
      image.setUint32(i * STRIDE + 4 * k, value, true);
    });
    image.setFloat32(i * STRIDE + 16, mean, true);
    image.setFloat32(i * STRIDE + 20, std / STD, true);
    image.setUint32(i * STRIDE + 24, Number(half), true);
  });
  gpu.queue.writeBuffer(uniforms, 0, image.buffer);
  const encoder = gpu.createCommandEncoder({ label: 'seeded weights' });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  fills.forEach(({ buffer, binding, first, words }, i) => {
    const entries = [
      { binding: 0, resource: { buffer: uniforms, offset: i * STRIDE, size: 32 } },
      { binding: 1, resource: { buffer, offset: binding, size: 4 * (first + words) } },
    ];
    pass.setBindGroup(0, gpu.createBindGroup({ layout, entries }));
    const groups = Math.ceil(words / WORKGROUP);
    pass.dispatchWorkgroups(Math.min(groups, ACROSS), Math.ceil(groups / ACROSS));
  });
  pass.end();
  gpu.queue.submit([encoder.finish()]);
  await gpu.queue.onSubmittedWorkDone();
  memory.destroy(uniforms);
  device.assertHealthy();
}

/** Bytes of a piece of a streamed weight, about. */
const PIECE = 8 * 2 ** 20;
/** Values that are made once for all weights of one spread; each weight begins at its own place in them. */
const BLOCK = 2 ** 23;
const blocks = new Map<string, Uint16Array | Float32Array>();

function blockOf({ mean, std }: Spread, dtype: StoredFloat): Uint16Array | Float32Array {
  const name = `${mean} ${std} ${dtype}`;
  const known = blocks.get(name);
  const block = known ?? (dtype === 'F16' ? new Uint16Array(BLOCK) : new Float32Array(BLOCK));
  if (!known) {
    fillValues(block, lookup(mean, std, dtype), keyOf(name), 0);
    blocks.set(name, block);
  }
  return block;
}

/** The values of a streamed weight in whole rows. */
function seededPieces(name: string, type: TensorType, spread: Spread): Pieces {
  const rows = at(type.shape, 0);
  const row = sizeOf(type.shape) / rows;
  // An even number of rows of f16 values fills whole words.
  const step = Math.max(2, 2 * Math.floor(PIECE / (byteSize(type) / rows) / 2));
  return async function* () {
    const block = blockOf(spread, type.dtype === 'f16' ? 'F16' : 'F32');
    for (let from = 0; from < rows; from += step) {
      const count = Math.min(step, rows - from) * row;
      const values = block.slice(0, count);
      const start = (keyOf(`${name} ${from}`) % Math.max(1, BLOCK - count)) & ~1;
      values.set(block.subarray(start, start + count));
      yield new Uint8Array(values.buffer);
    }
  };
}
