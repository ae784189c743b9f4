/** Convolution and its gradients in f64, tap by tap. */
import type { HostArray, OpSite } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, Sizes } from './shapes.ts';
import { backwardWeightSizes, forwardSizes, siteBackwardInputSizes } from './shapes.ts';

/** Calls `visit(pixel of y, pixel of x, tap)` for every pair that the kernel connects, in a fixed order. */
function eachTap(s: Sizes, visit: (out: number, source: number, tap: number) => void): void {
  for (let out = 0; out < s.images * s.outHeight * s.outWidth; out++) {
    const ox = out % s.outWidth;
    const oy = Math.floor(out / s.outWidth) % s.outHeight;
    const image = Math.floor(out / (s.outWidth * s.outHeight));
    for (let tap = 0; tap < s.kh * s.kw; tap++) {
      const iy = oy * s.stride + Math.floor(tap / s.kw) - s.top;
      const ix = ox * s.stride + (tap % s.kw) - s.left;
      if (iy >= 0 && iy < s.height && ix >= 0 && ix < s.width) {
        visit(out, (image * s.height + iy) * s.width + ix, tap);
      }
    }
  }
}

const dataOf = (arrays: readonly HostArray[], i: number): Float64Array => at(arrays, i).data;

export function forwardReference(inputs: readonly HostArray[], site: OpSite<Conv2dAttrs>): Float64Array[] {
  const s = forwardSizes(site);
  const [x, w] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const y = new Float64Array(s.images * s.outHeight * s.outWidth * s.cout);
  const { bias, residual } = site.attrs;
  for (let i = 0; i < y.length; i++) {
    y[i] = (bias ? at(dataOf(inputs, 2), i % s.cout) : 0) + (residual ? at(dataOf(inputs, bias ? 3 : 2), i) : 0);
  }
  eachTap(s, (out, source, tap) => {
    for (let c = 0; c < s.cin; c++) {
      for (let o = 0; o < s.cout; o++) {
        const weight = at(
          w,
          site.attrs.transposeWeight ? (tap * s.cout + o) * s.cin + c : (tap * s.cin + c) * s.cout + o,
        );
        y[out * s.cout + o] = at(y, out * s.cout + o) + at(x, source * s.cin + c) * weight;
      }
    }
  });
  return [y];
}

export function backwardInputReference(inputs: readonly HostArray[], site: OpSite<BackwardInputAttrs>): Float64Array[] {
  const s = siteBackwardInputSizes(site);
  const [dy, w] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const dx = new Float64Array(s.images * s.height * s.width * s.cin);
  eachTap(s, (out, source, tap) => {
    for (let o = 0; o < s.cout; o++) {
      for (let c = 0; c < s.cin; c++) {
        const weight = at(
          w,
          site.attrs.transposeWeight ? (tap * s.cin + c) * s.cout + o : (tap * s.cout + o) * s.cin + c,
        );
        dx[source * s.cin + c] = at(dx, source * s.cin + c) + at(dy, out * s.cout + o) * weight;
      }
    }
  });
  return [dx];
}

export function backwardWeightReference(
  inputs: readonly HostArray[],
  site: OpSite<BackwardWeightAttrs>,
): Float64Array[] {
  const s = backwardWeightSizes(at(inputs, 0).shape, at(inputs, 1).shape, site.attrs);
  const [x, dy] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const dw = new Float64Array(s.kh * s.kw * s.cin * s.cout);
  eachTap(s, (out, source, tap) => {
    for (let c = 0; c < s.cin; c++) {
      for (let o = 0; o < s.cout; o++) {
        const i = (tap * s.cin + c) * s.cout + o;
        dw[i] = at(dw, i) + at(x, source * s.cin + c) * at(dy, out * s.cout + o);
      }
    }
  });
  return [dw];
}
