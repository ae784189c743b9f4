/**
 * Runs a part of a network with its activations stored as f16: `enter_f16` stands before it, `leave_f16` after it.
 * Gradients of a loss over many pixels are far below f16's smallest number, so the cotangent is scaled up where the
 * backward pass enters the part, and scaled down where it leaves: loss scaling (Micikevicius et al., 1710.03740). The
 * scale is measured in every pass, and any scale is exact because backward passes are linear. It is passed on as the
 * cotangent of `one`, a second result of `enter_f16` that `leave_f16` takes and does not read.
 */
import type { Binding, Dispatch } from '../tensor/dispatch.ts';
import type { OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne, elementCost, vecOf } from './common/site.ts';
import { div, maximum, mul } from './elementwise/binary.ts';
import { cast } from './elementwise/cast.ts';
import { absMax } from './reduce/reduce.ts';

type None = Record<string, never>;
const NONE: None = {};
/** Number of the part: two parts of one input must not share a node, or their scales would be summed. */
type Part = { readonly part: number };

/** Largest absolute value of a cotangent behind the part: f16 reaches 1000 times higher, and 2^30 times lower. */
const LARGEST = 64;
const SMALLEST = 1e-30;

const COPY = `
fn run(i: u32) {
  store_y(i, load_x(i));
}
`;

const COPY_AND_ONE = `
fn run(i: u32) {
  store_y(i, load_x(i));
  if (i == 0u) {
    store_one(0u, 1.0);
  }
}
`;

/** Copies input 0 to output 0, which has another dtype. */
function copy(label: string, code: string, site: OpSite, more: readonly Binding[] = []): Dispatch {
  const size = sizeOf(at(site.inputs, 0).shape);
  const vec = vecOf(size);
  const bindings: Binding[] = [read('x', 0, vec), write('y', 0, vec)];
  return perElement({ label, code, size: size / vec, bindings: [...bindings, ...more] });
}

/** x as f16, and the scalar 1 whose cotangent carries the scale of the backward pass. */
const enterOp = defineOp<Part>({
  name: 'enter_f16',
  infer: ([x]) => {
    if (x?.dtype !== 'f32') {
      throw new Error('takes one f32 tensor');
    }
    return [
      { dtype: 'f16', shape: x.shape },
      { dtype: 'f32', shape: [] },
    ];
  },
  vjp: ({ dy, grads }) => [
    () => {
      const [, scale] = grads;
      const wide = cast(dy, 'f32');
      return scale ? div(wide, scale) : wide;
    },
  ],
  reference: ([x]) => [Float64Array.from(x?.data ?? []), Float64Array.of(1)],
  variants: [
    {
      name: 'naive',
      supports: (site, caps) => vecOf(sizeOf(at(site.inputs, 0).shape)) === 4 || canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => [copy('enter_f16.naive', COPY_AND_ONE, site, [write('one', 1)])],
    },
  ],
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'vec4', inputs: [{ shape: [3, 8] }], attrs: { part: 0 }, nmse: 1e-6 },
    { name: 'odd', inputs: [{ shape: [3, 5] }], attrs: { part: 0 }, nmse: 1e-6 },
  ],
});

/** The scalar factor that brings the largest element of dy to LARGEST. */
function scaleOf(dy: Tensor): Tensor {
  return div(dy.graph.constant([LARGEST], []), maximum(absMax(dy), dy.graph.constant([SMALLEST], [])));
}

/** y as f32; its cotangent is scaled so that it fits f16. */
const leaveOp = defineOp<None>({
  name: 'leave_f16',
  // The scalar is not read.
  pointwise: () => ({ expression: 'a' }),
  infer: ([y, one]) => {
    if (!y || !one || sizeOf(one.shape) !== 1) {
      throw new Error('takes a tensor and the scalar that enter_f16 gave');
    }
    return [{ dtype: 'f32', shape: y.shape }];
  },
  vjp: ({ inputs, dy }) => {
    const scale = scaleOf(dy);
    return [() => cast(mul(dy, scale), at(inputs, 0).dtype), () => scale];
  },
  reference: ([y]) => [Float64Array.from(y?.data ?? [])],
  variants: [
    {
      name: 'naive',
      dispatches: (site) => [copy('leave_f16.naive', COPY, site)],
    },
  ],
  cost: (site) => elementCost(site, 0),
  // Not differentiable on its own: what it gives for `one` is a scale, not a gradient (test/kernels/half_region tests both).
  cases: [
    { name: 'vec4', inputs: [{ shape: [3, 8], dtype: 'f16' }, { shape: [] }], attrs: NONE, grad: [] },
    { name: 'odd', inputs: [{ shape: [3, 5], dtype: 'f16' }, { shape: [] }], attrs: NONE, grad: [] },
  ],
});

/** Runs `part` on x [any shape, f32] with activations in f16, and returns its result as f32. */
export function inHalf(x: Tensor, part: (x: Tensor) => Tensor): Tensor {
  const [narrow, one] = enterOp.call([x], { part: x.graph.nodes.length });
  return narrow && one ? leaveOp.one([part(narrow), one], NONE) : part(x);
}
