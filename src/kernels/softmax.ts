/**
 * Softmax over the last axis, in f32; the result has x's dtype.
 * Variants: common/rows.ts.
 */
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { LOWEST } from './common/math.ts';
import { rowVariants } from './common/rows.ts';
import { elementCost, expectShape, lastOf } from './common/site.ts';
import { div, sub } from './elementwise/binary.ts';
import { exp } from './elementwise/unary.ts';
import { max, sum } from './reduce/reduce.ts';

type None = Record<string, never>;

const FORWARD = `${LOWEST}
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var top = T(LOWEST);
  for (var i = lane; i < params.width; i += LANES) {
    top = max(top, load_x(base + i));
  }
  let peak = team_max(largest(top), lane);
  var sum = T();
  for (var i = lane; i < params.width; i += LANES) {
    sum += exp(load_x(base + i) - peak);
  }
  let scale = 1.0 / team_sum(total(sum), lane);
  for (var i = lane; i < params.width; i += LANES) {
    store_y(base + i, exp(load_x(base + i) - peak) * scale);
  }
}
`;

/** dx = y (dy - Σ y dy). */
const BACKWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var dot = T();
  for (var i = lane; i < params.width; i += LANES) {
    dot += load_y(base + i) * load_dy(base + i);
  }
  let mean = team_sum(total(dot), lane);
  for (var i = lane; i < params.width; i += LANES) {
    store_dx(base + i, load_y(base + i) * (load_dy(base + i) - mean));
  }
}
`;

const backwardOp = defineOp<None>({
  name: 'softmax_backward',
  infer: (inputs) => {
    const [y, dy] = [at(inputs, 0), at(inputs, 1)];
    expectShape(dy, y.shape, 'dy');
    return [{ dtype: dy.dtype, shape: y.shape }];
  },
  reference: ([y, dy], site) => {
    const width = lastOf(at(site.outputs, 0).shape);
    const [p, g] = [y?.data ?? [], dy?.data ?? []];
    const dx = new Float64Array(p.length);
    for (let base = 0; base < p.length; base += width) {
      let dot = 0;
      for (let i = base; i < base + width; i++) {
        dot += at(p, i) * at(g, i);
      }
      for (let i = base; i < base + width; i++) {
        dx[i] = at(p, i) * (at(g, i) - dot);
      }
    }
    return [dx];
  },
  variants: rowVariants('softmax_backward', BACKWARD, ['y', 'dy'], ['dx']),
  cost: (site) => elementCost(site, 4),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 5, 7] }, { shape: [3, 5, 7] }], attrs: {} },
    { name: 'vec4', inputs: [{ shape: [3, 136] }, { shape: [3, 136] }], attrs: {} },
  ],
});

const softmaxOp = defineOp<None>({
  name: 'softmax',
  infer: (inputs) => {
    const x = at(inputs, 0);
    lastOf(x.shape);
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  vjp: ({ outputs, dy }) => [() => backwardOp.one([at(outputs, 0), dy], {})],
  reference: ([x], site) => {
    const width = lastOf(at(site.outputs, 0).shape);
    const y = Float64Array.from(x?.data ?? []);
    for (let base = 0; base < y.length; base += width) {
      const row = y.subarray(base, base + width);
      const peak = Math.max(...row);
      row.forEach((v, i) => {
        row[i] = Math.exp(v - peak);
      });
      const total = row.reduce((a, b) => a + b, 0);
      row.forEach((v, i) => {
        row[i] = v / total;
      });
    }
    return [y];
  },
  variants: rowVariants('softmax', FORWARD, ['x'], ['y']),
  cost: (site) => elementCost(site, 8),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 5, 7] }], attrs: {} },
    { name: 'vec4', inputs: [{ shape: [5, 136] }], attrs: {} },
    { name: 'large scores', inputs: [{ shape: [4, 9], scale: 60 }], attrs: {} },
    { name: 'one', inputs: [{ shape: [4, 1] }], attrs: {} },
    { name: 'f16', inputs: [{ shape: [3, 8], dtype: 'f16' }], attrs: {} },
  ],
  composition: (inputs) => {
    const x = at(inputs, 0);
    const scores = exp(sub(x, max(x, [-1], true)));
    return div(scores, sum(scores, [-1], true));
  },
});

/** Softmax over the last axis. */
export const softmax = (x: Tensor): Tensor => softmaxOp.one([x], {});
