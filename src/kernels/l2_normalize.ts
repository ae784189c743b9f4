/** x / max(‖x‖, eps) over the last axis, as torch.nn.functional.normalize. */
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { rowVariants } from './common/rows.ts';
import { elementCost, expectShape, lastOf } from './common/site.ts';
import { div, maximum } from './elementwise/binary.ts';
import { sqrt, square } from './elementwise/unary.ts';
import { sum } from './reduce/reduce.ts';

type L2Normalize = { readonly eps: number };

const FORWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var squares = T();
  for (var i = lane; i < params.width; i += LANES) {
    squares += load_x(base + i) * load_x(base + i);
  }
  let scale = 1.0 / max(sqrt(team_sum(total(squares), lane)), params.eps);
  for (var i = lane; i < params.width; i += LANES) {
    store_y(base + i, load_x(base + i) * scale);
  }
}
`;

/** dx = (dy - y Σ y dy) / ‖x‖; below eps the norm is a constant, and dx = dy / eps. */
const BACKWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var squares = T();
  var dot = T();
  for (var i = lane; i < params.width; i += LANES) {
    squares += load_x(base + i) * load_x(base + i);
    dot += load_x(base + i) * load_dy(base + i);
  }
  let norm = sqrt(team_sum(total(squares), lane));
  let scale = 1.0 / max(norm, params.eps);
  let along = select(0.0, team_sum(total(dot), lane) * scale * scale, norm > params.eps);
  for (var i = lane; i < params.width; i += LANES) {
    store_dx(base + i, (load_dy(base + i) - load_x(base + i) * along) * scale);
  }
}
`;

const params = { params: ({ attrs }: { attrs: L2Normalize }) => ({ eps: { f32: attrs.eps } }) };

const backwardOp = defineOp<L2Normalize>({
  name: 'l2_normalize_backward',
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 1)];
    expectShape(dy, x.shape, 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: ([x, dy], site) => {
    const [v, g] = [x?.data ?? new Float64Array(), dy?.data ?? new Float64Array()];
    const width = lastOf(at(site.outputs, 0).shape);
    const dx = new Float64Array(v.length);
    for (let base = 0; base < v.length; base += width) {
      const row = v.subarray(base, base + width);
      const norm = Math.sqrt(row.reduce((n, a) => n + a * a, 0));
      const scale = 1 / Math.max(norm, site.attrs.eps);
      const dot = row.reduce((n, a, i) => n + a * at(g, base + i), 0);
      const along = norm > site.attrs.eps ? dot * scale * scale : 0;
      row.forEach((a, i) => {
        dx[base + i] = (at(g, base + i) - a * along) * scale;
      });
    }
    return [dx];
  },
  variants: rowVariants('l2_normalize_backward', BACKWARD, ['x', 'dy'], ['dx'], params),
  cost: (site) => elementCost(site, 7),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [3, 7] }], attrs: { eps: 1e-12 } },
    { name: 'vec4', inputs: [{ shape: [2, 136] }, { shape: [2, 136] }], attrs: { eps: 1e-12 } },
    { name: 'below eps', inputs: [{ shape: [3, 8] }, { shape: [3, 8] }], attrs: { eps: 100 } },
  ],
});

const l2NormalizeOp = defineOp<L2Normalize>({
  name: 'l2_normalize',
  infer: (inputs) => {
    const x = at(inputs, 0);
    lastOf(x.shape);
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  vjp: ({ inputs, attrs, dy }) => [() => backwardOp.one([at(inputs, 0), dy], attrs)],
  reference: ([x], site) => {
    const width = lastOf(at(site.outputs, 0).shape);
    const y = Float64Array.from(x?.data ?? []);
    for (let base = 0; base < y.length; base += width) {
      const row = y.subarray(base, base + width);
      const norm = Math.max(Math.sqrt(row.reduce((n, a) => n + a * a, 0)), site.attrs.eps);
      row.forEach((a, i) => {
        row[i] = a / norm;
      });
    }
    return [y];
  },
  variants: rowVariants('l2_normalize', FORWARD, ['x'], ['y'], params),
  cost: (site) => elementCost(site, 3),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }], attrs: { eps: 1e-12 } },
    { name: 'vec4', inputs: [{ shape: [2, 136] }], attrs: { eps: 1e-12 } },
    { name: 'below eps', inputs: [{ shape: [3, 8] }], attrs: { eps: 100 } },
    { name: 'f16', inputs: [{ shape: [3, 8], dtype: 'f16' }], attrs: { eps: 1e-12 } },
  ],
  composition: (inputs, { eps }) => {
    const x = at(inputs, 0);
    return div(x, maximum(sqrt(sum(square(x), [-1], true)), eps));
  },
});

/** x / max(‖x‖, eps) over the last axis. */
export const l2Normalize = (x: Tensor, eps = 1e-12): Tensor => l2NormalizeOp.one([x], { eps });
