/** The plan as a whole: replay equals the interpreter, twice gives the same bits, states move, memory comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, clamp, conv2d, linear, mean, mul, silu, softmax, sub, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { PlanSpec } from '../../../src/tensor/schedule/plan_spec.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

/** A two-layer network with a loss, its gradient to the state `z` and one step of descent. */
function network(): { z: Tensor; loss: Tensor; grad: Tensor; next: Tensor; feeds: Map<string, Float64Array> } {
  const graph = new Graph();
  const z = graph.input('z', [3, 8], 'step');
  const context = graph.input('context', [3, 16], 'prompt');
  const w1 = graph.input('w1', [16, 8], 'load', 'f16');
  const w2 = graph.input('w2', [5, 16], 'load');
  const hidden = silu(add(linear(z, w1), mul(context, context)));
  const y = softmax(linear(hidden, w2));
  const loss = mean(mul(y, clamp(sub(y, graph.scalar(0.3)), -0.2, 0.4)));
  const grad = gradients(loss, [z])[0];
  const next = sub(z, mul(grad, graph.scalar(10)));
  const feeds = new Map([
    ['z', fill({ shape: [3, 8] }, 1)],
    ['context', fill({ shape: [3, 16] }, 2)],
    ['w1', fill({ shape: [16, 8], dtype: 'f16' }, 3)],
    ['w2', fill({ shape: [5, 16] }, 4)],
  ]);
  return { z, loss, grad, next, feeds };
}

describe('weights in memory once', () => {
  const sizes = { product: [256, 512], convolution: [96, 80, 3, 3], patches: [256, 8, 6, 6] };
  const bytes = Object.values(sizes).map((shape) => 4 * shape.reduce((n, d) => n * d, 1));

  /** A product, a convolution and a patch embedding, with the gradient of each to what it reads. */
  const planOf = async (keepLayouts: boolean, options: Partial<PlanSpec> = {}) => {
    const graph = new Graph();
    const outputs: Record<string, Tensor> = {};
    const shapes = { product: [3, 512], convolution: [1, 5, 6, 80], patches: [1, 12, 6, 8] };
    for (const name of ['product', 'convolution', 'patches'] as const) {
      const x = graph.input(`x ${name}`, shapes[name], 'step');
      const w = graph.input(name, sizes[name], 'load');
      const y =
        name === 'product' ? linear(x, w) : conv2d(x, w, null, name === 'patches' ? { stride: 6 } : { padding: 1 });
      const [gradient] = gradients(sum(mul(y, y)), [x]);
      Object.assign(outputs, { [`y ${name}`]: y, [`gradient ${name}`]: gradient });
    }
    const plan = await compile(device, { outputs, keepLayouts, ...options });
    Object.entries(shapes).forEach(([name, shape], i) => {
      plan.write(`x ${name}`, fill({ shape }, i));
    });
    return plan;
  };

  const loaded = async (...options: Parameters<typeof planOf>) => {
    const plan = await planOf(...options);
    Object.entries(sizes).forEach(([name, shape], i) => {
      plan.write(name, fill({ shape }, 10 + i));
    });
    plan.run('load');
    return plan;
  };

  it('take half the memory and give the same bits, run after run', async () => {
    using both = await loaded(true);
    using one = await loaded(false);
    expect(both.summary.dispatches.load - one.summary.dispatches.load).toBe(5);
    expect(one.summary.memory.persistent).toBe(
      both.summary.memory.persistent - bytes.reduce((n, b) => n + b, 0) * 2 + at(bytes, 0),
    );
    // All that is written stays, and nothing else: no more at load than afterwards.
    expect(one.summary.memory.resident).toBe(both.summary.memory.resident + at(bytes, 1) + at(bytes, 2));
    for (let run = 0; run < 2; run++) {
      both.run('step');
      one.run('step');
      for (const name of both.schedule.outputs.keys()) {
        expect(await one.read(name), name).toEqual(await both.read(name));
      }
    }
  });

  it.each(['naive', 'gpu_tile'])('are read by %s as they lie: nothing is transposed', async (variant) => {
    using both = await loaded(true);
    using one = await loaded(false, {
      variants: { matmul: variant, conv2d: variant, conv2d_backward_input: variant },
    });
    expect(
      one.schedule.steps.step.map((s) => s.dispatch.label).filter((label) => /transpose\.(naive|tile_4x4)/.test(label)),
    ).toEqual([]);
    both.run('step');
    one.run('step');
    for (const name of both.schedule.outputs.keys()) {
      expect(nmse(await one.read(name), Float64Array.from(await both.read(name))), name).toBeLessThan(1e-11);
    }
  });

  it('are rearranged as they arrive where a budget streams them', async () => {
    using one = await loaded(false);
    using streamed = await planOf(false, { budget: one.summary.memory.peak - at(bytes, 1) - at(bytes, 2) });
    for (const [i, [name, shape]] of Object.entries(sizes).entries()) {
      const values = new Uint8Array(Float32Array.from(fill({ shape }, 10 + i)).buffer);
      const half = (at(shape, 0) / 2) * (values.length / at(shape, 0));
      const rows = async function* () {
        yield values.slice(0, half);
        yield values.slice(half);
      };
      if (!streamed.stream(name, rows)) {
        streamed.write(name, values);
      }
    }
    expect([...streamed.schedule.streams.keys()]).toEqual(expect.arrayContaining(['convolution', 'patches']));
    await streamed.run('load');
    await streamed.run('step');
    await one.run('step');
    for (const name of one.schedule.outputs.keys()) {
      expect(await streamed.read(name), name).toEqual(await one.read(name));
    }
  });

  it('may be written some rows at a time, and are read back as they were written', async () => {
    using whole = await loaded(false);
    using parts = await planOf(false);
    for (const [i, [name, shape]] of Object.entries(sizes).entries()) {
      const values = new Uint8Array(Float32Array.from(fill({ shape }, 10 + i)).buffer);
      const row = values.length / at(shape, 0);
      for (const [from, to] of [
        [0, 6],
        [6, 90],
        [90, at(shape, 0)],
      ] as const) {
        parts.writePart(name, values.slice(from * row, to * row), from * row);
      }
      expect(Buffer.compare(new Uint8Array((await parts.read(name)).buffer), values), name).toBe(0);
    }
    expect(() => parts.writePart('convolution', new Uint8Array(8), 4)).toThrow('whole rows');
    parts.run('load');
    parts.run('step');
    whole.run('step');
    for (const name of whole.schedule.outputs.keys()) {
      expect(await parts.read(name), name).toEqual(await whole.read(name));
    }
  });
});

async function planned(fuse: boolean) {
  const net = network();
  const plan = await compile(device, {
    outputs: { loss: net.loss, grad: net.grad },
    updates: [{ state: net.z, value: net.next }],
    fuse,
  });
  const reset = (): void => {
    for (const [name, data] of net.feeds) {
      if (name !== 'w2' && name !== 'w1') {
        plan.write(name, data);
      }
    }
  };
  for (const name of ['w1', 'w2']) {
    plan.write(name, net.feeds.get(name) ?? []);
  }
  reset();
  plan.run('load');
  plan.run('prompt');
  return { ...net, plan, reset };
}

describe.each([true, false])('with fusion %s', (fuse) => {
  it('equals the interpreter over three steps of descent', async () => {
    const { plan, z, loss, grad, next, feeds } = await planned(fuse);
    for (let i = 0; i < 3; i++) {
      const [l, g, n] = interpret([loss, grad, next], feeds);
      plan.run('step');
      expect(nmse(await plan.read('loss'), at([l ?? []], 0))).toBeLessThan(1e-10);
      expect(nmse(await plan.read('grad'), g ?? [])).toBeLessThan(1e-9);
      expect(nmse(await plan.read('z'), n ?? [])).toBeLessThan(1e-10);
      feeds.set('z', n ?? new Float64Array());
    }
    expect(z.shape).toEqual([3, 8]);
    plan.destroy();
  });
});

it('gives the same bits when it is replayed from the same state', async () => {
  const { plan, reset } = await planned(true);
  const runs: string[] = [];
  for (let i = 0; i < 2; i++) {
    reset();
    plan.run('prompt');
    plan.run('step');
    plan.run('step');
    runs.push(Buffer.from((await plan.read('z')).buffer).toString('hex'));
  }
  expect(runs[1]).toBe(runs[0]);
  plan.destroy();
});

it('uses fewer dispatches with fusion and compiles nothing twice', async () => {
  const fused = await planned(true);
  const plain = await planned(false);
  expect(fused.plan.summary.dispatches.step).toBeLessThan(plain.plan.summary.dispatches.step);
  const before = device.pipelineCount;
  const again = await planned(true);
  expect(device.pipelineCount).toBe(before);
  for (const { plan } of [fused, plain, again]) {
    plan.destroy();
  }
});

it('gives weights back that only the load stage reads', async () => {
  const graph = new Graph();
  const w = graph.input('w', [8], 'load');
  const y = add(graph.input('x', [8], 'step'), mul(w, w));
  const plan = await compile(device, { outputs: { y } });
  expect(plan.summary.memory.loadOnly).toBe(32);
  plan.write('w', new Float32Array(8).fill(3));
  plan.write('x', new Float32Array(8));
  plan.run('load');
  plan.run('step');
  expect(Array.from(await plan.read('y'))).toEqual(new Array(8).fill(9));
  expect(() => plan.write('w', new Float32Array(8))).toThrow(/w is gone: the load stage ran already/);
  plan.destroy();
});

it('says what does not fit', async () => {
  const { plan } = await planned(true);
  expect(() => plan.write('z', [1, 2])).toThrow('z is f32[3,8] (24 elements) but was given 2');
  await expect(plan.read('nothing')).rejects.toThrow('no output or input named nothing');
  plan.destroy();
  const graph = new Graph();
  const huge = graph.input('huge', [2 ** 28], 'step');
  await expect(compile(device, { outputs: { y: sum(huge) } })).rejects.toThrow(/huge needs one buffer of 1 GiB/);
});

it('runs f16 weights on an adapter without shader-f16', async () => {
  const plain = await testDevice({ without: ['shader-f16'] });
  const graph = new Graph();
  const x = graph.input('x', [4, 8], 'step');
  const w = graph.input('w', [6, 8], 'load', 'f16');
  const y = linear(x, w);
  const feeds = new Map([
    ['x', fill({ shape: [4, 8] }, 5)],
    ['w', fill({ shape: [6, 8], dtype: 'f16' }, 6)],
  ]);
  const plan = await compile(plain, { outputs: { y } });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  plan.run('load');
  plan.run('step');
  expect(nmse(await plan.read('y'), interpret([y], feeds)[0] ?? [])).toBeLessThan(1e-10);
  plan.destroy();
  plain.destroy();
});

it('takes an input in parts, an odd number of f16 values padded', async () => {
  const graph = new Graph();
  const w = graph.input('w', [7], 'load', 'f16');
  const y = add(graph.input('x', [7], 'step'), w);
  const plan = await compile(device, { outputs: { y } });
  const half = new Uint16Array([0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700]);
  plan.writePart('w', new Uint8Array(half.buffer, 0, 8).slice(), 0);
  plan.writePart('w', new Uint8Array(half.buffer, 8, 6).slice(), 8);
  plan.write('x', new Float32Array(7));
  plan.run('load');
  plan.run('step');
  expect([...(await plan.read('y'))]).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(() => plan.writePart('w', new Uint8Array(4), 14)).toThrow(/w is f16\[7\] but was given 4 bytes at byte 14/);
  expect(() => plan.writePart('w', new Uint8Array(8), 12)).toThrow(/at byte 12/);
});
