/** Pairs of ops that one op replaces (src/tensor/rewrite/pair_fusion.ts): where they are fused, and that the value is the same. */
import { describe, expect, it } from 'vitest';
import { GPU_CAPS, MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { geglu, layerNorm, linear, mul, sum } from '../../../src/kernels/index.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { Graph, keyOf, outputKey, siteOf } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import type { HostArray } from '../../../src/tensor/op.ts';
import { rewrite } from '../../../src/tensor/rewrite/rewrite.ts';
import { executionOrder } from '../../../src/tensor/schedule/liveness.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { nmse } from '../../../src/tensor/tuning/nmse.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

/** Names of the ops of the rewritten graph, and the values of `roots` by the references of its ops. */
function rewritten(
  roots: readonly Tensor[],
  feeds: ReadonlyMap<string, Float64Array>,
  caps: DeviceCaps,
): { names: (string | undefined)[]; values: (Float64Array | undefined)[] } {
  const order = rewrite(executionOrder(roots.map((t) => t.node)), roots, caps);
  const values = new Map<string, HostArray>();
  for (const node of order) {
    const inputs = node.inputs.map((t) => values.get(keyOf(t)) ?? { shape: t.shape, data: new Float64Array() });
    const data = node.op?.reference(inputs, siteOf(node)) ?? [
      feeds.get(node.name ?? '') ?? node.data ?? new Float64Array(),
    ];
    data.forEach((value, i) => {
      values.set(outputKey(node, i), { shape: at(node.outputs, i).shape, data: value });
    });
  }
  return { names: order.map(({ op }) => op?.name), values: roots.map((t) => values.get(keyOf(t))?.data) };
}

/** A feed-forward layer with GEGLU, its gradient by x, and its gradient by the GEGLU's result. */
function feedForward({ rows = 5, width = 6, hidden = 7 } = {}) {
  const graph = new Graph();
  const feeds = new Map<string, Float64Array>();
  const input = (name: string, shape: number[], stage: 'load' | 'step' = 'load'): Tensor => {
    feeds.set(name, fill({ shape }, feeds.size + 1));
    return graph.input(name, shape, stage);
  };
  const x = input('x', [2, rows, width], 'step');
  const z = layerNorm(x, input('gamma', [width]), input('beta', [width]), 1e-5);
  const gated = geglu(linear(z, input('in', [2 * hidden, width]), input('bias', [2 * hidden])));
  const y = linear(gated, input('out', [width, hidden]), input('bias out', [width]), { residual: x });
  const [byX, byGated] = gradients(sum(mul(y, input('r', [2, rows, width], 'step'))), [x, gated]);
  return { y, byX, byGated, feeds };
}

describe('the gradient of a GEGLU', () => {
  const sizes = [
    { rows: 5, width: 6, hidden: 7 },
    { rows: 33, width: 16, hidden: 20 },
    { rows: 1, width: 1, hidden: 1 },
  ];

  it.each(sizes)('joins the product that gives its cotangent, with the same value (%j)', (size) => {
    const { y, byX, feeds } = feedForward(size);
    const { names, values } = rewritten([y, byX], feeds, MATRIX_GPU.caps);
    expect(names).toContain('linear_geglu_backward');
    expect(names).not.toContain('geglu_backward');
    interpret([y, byX], feeds).forEach((expected, i) => {
      expect(nmse(at(values, i) ?? [], expected)).toBeLessThanOrEqual(1e-24);
    });
  });

  it('stays alone on a CPU driver', () => {
    const { byX, feeds } = feedForward();
    const { names } = rewritten([byX], feeds, { ...GPU_CAPS, software: true });
    expect(names).toContain('geglu_backward');
  });

  it('stays alone where the cotangent is wanted too', () => {
    const { byX, byGated, feeds } = feedForward();
    const { names, values } = rewritten([byX, byGated], feeds, MATRIX_GPU.caps);
    expect(names).toContain('geglu_backward');
    expect(nmse(at(values, 1) ?? [], at(interpret([byGated], feeds), 0))).toBeLessThanOrEqual(1e-24);
  });
});

describe('a layer norm', () => {
  /** m, k, n of the product behind the norm, as it is fused with matrix units (tiles of 128 columns) and without (64). */
  it.each([
    ['ViT-H', [3, 257, 1280], [3, 5120, 1280], true, false],
    ['the UNet at 64²', [1, 4096, 320], [2560, 320], true, true],
    ['the UNet at 16²', [1, 256, 1280], [1280, 1280], true, true],
    ['SDXL at 64²', [1, 4096, 1280], [10240, 1280], false, false],
  ])('of %s joins its product where reading the rows again costs less than a dispatch', (_, x, w, matrix, plain) => {
    const graph = new Graph();
    const gains = w.length === 3 ? [at(w, 0), at(w, 2)] : [at(w, 1)];
    const input = (name: string, shape: number[]): Tensor => graph.input(name, shape, 'load', 'f16');
    const z = layerNorm(graph.input('x', x, 'step', 'f16'), input('gamma', gains), input('beta', gains), 1e-5);
    const y = linear(z, input('w', w));
    const isFused = (caps: DeviceCaps): boolean =>
      rewrite(executionOrder([y.node]), [y], caps).some(({ op }) => op?.name === 'layer_norm_linear');
    expect([isFused(MATRIX_GPU.caps), isFused(GPU_CAPS)]).toEqual([matrix, plain]);
  });
});

describe("a layer norm's result that others read too", () => {
  /** A post-norm block: the norm's result goes into a product and into the residual behind it. */
  function postNorm({ readsEarlier = false } = {}) {
    const graph = new Graph();
    const feeds = new Map<string, Float64Array>();
    const input = (name: string, shape: number[], stage: 'load' | 'step' = 'load'): Tensor => {
      feeds.set(name, fill({ shape }, feeds.size + 1));
      return graph.input(name, shape, stage);
    };
    const z = layerNorm(input('x', [3, 16], 'step'), input('gamma', [16]), input('beta', [16]), 1e-5);
    const first = readsEarlier ? { residual: mul(z, z) } : {};
    const inner = linear(z, input('in', [16, 16]), input('bias', [16]), first);
    const y = linear(inner, input('out', [16, 16]), null, { residual: z });
    return { y, feeds };
  }

  it.each([GPU_CAPS, MATRIX_GPU.caps])('is stored by the product that reads it first', (caps) => {
    const { y, feeds } = postNorm();
    const { names, values } = rewritten([y], feeds, caps);
    expect(names.filter((name) => name === 'layer_norm')).toEqual([]);
    expect(names).toContain('layer_norm_linear');
    expect(nmse(values[0] ?? [], interpret([y], feeds)[0] ?? [])).toBeLessThan(1e-25);
  });

  it('stays apart where another op reads it before the product', () => {
    const { y, feeds } = postNorm({ readsEarlier: true });
    const { names, values } = rewritten([y], feeds, MATRIX_GPU.caps);
    expect(names).toContain('layer_norm');
    expect(nmse(values[0] ?? [], interpret([y], feeds)[0] ?? [])).toBeLessThan(1e-25);
  });
});
