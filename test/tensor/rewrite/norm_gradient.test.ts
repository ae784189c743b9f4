/** The product of a backward pass that also differentiates the layer norm in front of the linear layer. */
import { describe, expect, it } from 'vitest';
import { GPU_CAPS, MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, cast, gelu, layerNorm, linear, mul, reshape, sum } from '../../../src/kernels/index.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { Graph, keyOf, type Node, outputKey, siteOf } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import type { HostArray } from '../../../src/tensor/op.ts';
import { rewrite } from '../../../src/tensor/rewrite/rewrite.ts';
import { executionOrder } from '../../../src/tensor/schedule/liveness.ts';
import { storeOnce } from '../../../src/tensor/schedule/weight_layout.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { nmse } from '../../../src/tensor/tuning/nmse.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

const FUSED = 'linear_layer_norm_backward';
const D = 16;
const K = 40;

interface Made {
  readonly gradient: Tensor;
  readonly feeds: Map<string, Float64Array>;
}

/** The gradient of x → x + f(linear(norm(x))), with the seeded weights of `batch` layers. */
function block({ batch = 0, bias = true, alsoReads = false, gammaAtStep = false } = {}): Made {
  const graph = new Graph();
  const feeds = new Map<string, Float64Array>();
  const input = (name: string, shape: number[], stage: 'load' | 'step' = 'load'): Tensor => {
    feeds.set(name, fill({ shape, dtype: 'f16' }, feeds.size + 1));
    return graph.input(name, shape, stage, 'f16');
  };
  const some = batch > 0 ? [batch] : [];
  const x = input('x', [...some, 9, D], 'step');
  const gains = (name: string, width: number, stage?: 'step'): Tensor => input(name, [...some, width], stage);
  const gamma = gains('gamma', D, gammaAtStep ? 'step' : undefined);
  const z = layerNorm(x, gamma, gains('beta', D), 1e-5);
  // Weights of several networks are stored end to end, and a view shows them as a batch.
  const weight = batch > 0 ? reshape(input('weight', [batch * K, D]), [batch, K, D]) : input('weight', [K, D]);
  const y = linear(z, weight, bias ? gains('bias', K) : null);
  const back = linear(
    gelu(y),
    batch > 0 ? reshape(input('out', [batch * D, K]), [batch, D, K]) : input('out', [D, K]),
    null,
    { residual: x },
  );
  const loss = add(
    sum(mul(back, cast(input('r', [...some, 9, D], 'step'), 'f16'))),
    alsoReads ? sum(z) : graph.scalar(0),
  );
  return { gradient: gradients(loss, [x])[0], feeds };
}

/** Runs nodes one after another by their references. */
function run(order: readonly Node[], feeds: ReadonlyMap<string, Float64Array>, wanted: string): Float64Array {
  const values = new Map<string, HostArray>();
  for (const node of order) {
    const inputs = node.inputs.map((t) => {
      const value = values.get(keyOf(t));
      if (!value) {
        throw new Error(`${node.op?.name} reads ${keyOf(t)} before it is there`);
      }
      return { shape: t.shape, data: value.data };
    });
    const found = node.op
      ? node.op.reference(inputs, siteOf(node))
      : [node.data ?? feeds.get(node.name ?? '') ?? new Float64Array()];
    node.outputs.forEach(({ shape }, i) => {
      values.set(outputKey(node, i), { shape, data: at(found, i) });
    });
  }
  return values.get(wanted)?.data ?? new Float64Array();
}

const named = (order: readonly Node[], name: string): Node[] =>
  order.filter(({ op }) => (op?.inner?.op ?? op)?.name === name);

function rewritten({ gradient }: Made, caps: DeviceCaps, stored = false): Node[] {
  const order = stored ? storeOnce([gradient.node], 1) : executionOrder([gradient.node]);
  return rewrite(order, [gradient], caps);
}

const { caps } = MATRIX_GPU;

describe('the gradient of a norm goes into the product before it', () => {
  it.each([
    ['one layer', {}, false],
    ['without bias', { bias: false }, false],
    ['weights in the layout of the file', {}, true],
    ['three layers at once, behind views', { batch: 3 }, false],
    ['three layers at once, weights stored once', { batch: 3 }, true],
  ])('%s: the same values in fewer nodes', (_, options, stored) => {
    const made = block(options);
    const order = rewritten(made, caps, stored);
    expect(named(order, FUSED)).toHaveLength(1);
    expect(named(order, 'layer_norm_backward')).toHaveLength(0);
    const [expected] = interpret([made.gradient], made.feeds);
    // The roots keep their keys.
    expect(nmse(run(order, made.feeds, keyOf(made.gradient)), expected ?? [])).toBeLessThan(1e-20);
  });

  it('what depends on weights alone is of the load stage', () => {
    const order = rewritten(block({ batch: 3 }), caps);
    const [fused] = named(order, FUSED);
    expect(fused?.inputs[2]?.node.stage).toBe('load');
    expect(new Set(order.map(({ id }) => id)).size).toBe(order.length);
  });
});

describe('it stays apart', () => {
  it.each([
    ['without matrix units', block(), GPU_CAPS],
    ['where the check of the kernel failed', block(), { ...caps, leftOut: { [FUSED]: ['subgroup_matrix'] } }],
    ['on CPU drivers', block(), { ...caps, software: true }],
    ["where the norm's result has another reader", block({ alsoReads: true }), caps],
    ['where gains change from step to step', block({ gammaAtStep: true }), caps],
  ])('%s', (_, made, others) => {
    const order = rewritten(made, others);
    expect(named(order, FUSED)).toHaveLength(0);
    expect(named(order, 'layer_norm_backward')).toHaveLength(1);
    expect(
      nmse(run(order, made.feeds, keyOf(made.gradient)), interpret([made.gradient], made.feeds)[0] ?? []),
    ).toBeLessThan(1e-20);
  });
});
