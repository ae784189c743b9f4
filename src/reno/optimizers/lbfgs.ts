/**
 * L-BFGS with a strong Wolfe line search, step for step as torch.optim.LBFGS takes them, in f64 on the host. (Nocedal & Wright,
 * Numerical Optimization, algorithms 7.4, 3.5, 3.6; torch/optim/lbfgs.py for the constants and the order of the checks.)
 */
import { at } from '../../tensor/types.ts';

interface LbfgsOptions {
  readonly lr: number;
  /** Directions in one step of torch.optim.LBFGS, after which its budget of evaluations starts anew. The ReNO reference uses 10. */
  readonly maxIter?: number;
  /** Number of (step, gradient change) pairs that are kept. The reference uses 3. */
  readonly historySize?: number;
}

export interface Evaluation {
  readonly loss: number;
  readonly gradient: Float64Array;
}

/** A generator that yields a point and receives the loss and the gradient at that point. */
type Search<T> = Generator<Float64Array, T, Evaluation>;

const TOLERANCE_GRAD = 1e-7;
const TOLERANCE_CHANGE = 1e-9;
/** The constants of the Wolfe conditions: sufficient decrease, and curvature. */
const [C1, C2] = [1e-4, 0.9];

/**
 * Minimises from `start`. Ends at a stationary point, or where the loss no longer changes. Torch evaluates the same point again at
 * the beginning of `step()`; here the known value is used.
 */
export function* lbfgs(start: Float64Array, options: LbfgsOptions): Search<void> {
  const { lr, maxIter = 10, historySize = 3 } = options;
  const maxEval = Math.floor((maxIter * 5) / 4);
  const memory = new Memory(historySize);
  let x = start;
  let { loss, gradient } = yield x;
  let last: { readonly s: Float64Array; readonly before: Float64Array } | null = null;
  let first = true;
  for (let moved = true; moved; ) {
    moved = false;
    let evaluations = 1;
    if (largest(gradient) <= TOLERANCE_GRAD) {
      return;
    }
    for (let n = 1; n <= maxIter && evaluations < maxEval; n++) {
      if (last) {
        memory.add(last.s, sum(gradient, -1, last.before));
        last = null;
      }
      const direction = memory.direction(gradient);
      const slope = dot(gradient, direction);
      if (slope > -TOLERANCE_CHANGE) {
        break;
      }
      const t = first ? Math.min(1, 1 / absolute(gradient)) * lr : lr;
      first = false;
      const from = { loss, gradient, slope };
      const found: Found = yield* strongWolfe(x, t, direction, from, maxEval - evaluations);
      last = { s: scaled(direction, found.t), before: gradient };
      x = sum(x, found.t, direction);
      const change = Math.abs(found.loss - loss);
      ({ loss, gradient } = found);
      evaluations += found.evaluations;
      moved = true;
      const still = largest(last.s) <= TOLERANCE_CHANGE || change < TOLERANCE_CHANGE;
      if (still || largest(gradient) <= TOLERANCE_GRAD) {
        break;
      }
    }
  }
}

/** The last steps s and gradient changes y, which represent the inverse Hessian. */
class Memory {
  readonly #size: number;
  readonly #pairs: { readonly s: Float64Array; readonly y: Float64Array; readonly rho: number }[] = [];
  #scale = 1;

  constructor(size: number) {
    this.#size = size;
  }

  /** Adds a pair, unless its curvature is not positive: the Hessian would no longer be positive definite. */
  add(s: Float64Array, y: Float64Array): void {
    const ys = dot(y, s);
    if (ys > 1e-10) {
      this.#pairs.push({ s, y, rho: 1 / ys });
      this.#pairs.splice(0, this.#pairs.length - this.#size);
      this.#scale = ys / dot(y, y);
    }
  }

  /** −H·gradient, by the two-loop recursion. */
  direction(gradient: Float64Array): Float64Array {
    let q = scaled(gradient, -1);
    const alphas = this.#pairs.map(() => 0);
    for (const [i, { s, y, rho }] of [...this.#pairs.entries()].reverse()) {
      alphas[i] = dot(s, q) * rho;
      q = sum(q, -at(alphas, i), y);
    }
    return this.#pairs.reduce(
      (r, { s, y, rho }, i) => sum(r, at(alphas, i) - dot(y, r) * rho, s),
      scaled(q, this.#scale),
    );
  }
}

/** A point on the line: its distance t along the direction, with loss, gradient and slope. */
interface Point extends Evaluation {
  readonly t: number;
  /** Directional derivative. */
  readonly slope: number;
}

interface Found extends Evaluation {
  readonly t: number;
  readonly evaluations: number;
}

/** Finds a step that satisfies the strong Wolfe conditions, or the best step after `most` evaluations. */
function* strongWolfe(
  x: Float64Array,
  firstStep: number,
  direction: Float64Array,
  origin: Omit<Point, 't'>,
  most: number,
): Search<Found> {
  let evaluations = 0;
  function* probe(t: number): Search<Point> {
    const { loss, gradient } = yield sum(x, t, direction);
    evaluations += 1;
    return { t, loss, gradient, slope: dot(gradient, direction) };
  }
  const start: Point = { ...origin, t: 0 };
  const tooHigh = (p: Point): boolean => p.loss > start.loss + C1 * p.t * start.slope;
  const flat = (p: Point): boolean => Math.abs(p.slope) <= -C2 * start.slope;

  let [previous, point] = [start, yield* probe(firstStep)];
  let tries = 0;
  let bracket: [Point, Point] | null = null;
  for (; tries < most && !bracket; tries++) {
    if (tooHigh(point) || (tries > 1 && point.loss >= previous.loss)) {
      bracket = [previous, point];
    } else if (flat(point)) {
      return { ...point, evaluations };
    } else if (point.slope >= 0) {
      bracket = [previous, point];
    } else {
      const bounds = [point.t + 0.01 * (point.t - previous.t), point.t * 10] as const;
      const t: number = cubicMinimum(previous, point, bounds);
      [previous, point] = [point, yield* probe(t)];
    }
  }
  // The turn that found the bracket does not count as a try.
  tries -= bracket ? 1 : 0;
  let [low, high] = bracket ?? [start, point];
  if (high.loss < low.loss) {
    [low, high] = [high, low];
  }
  const width = largest(direction);
  let stuck = false;
  for (; bracket && tries < most && Math.abs(high.t - low.t) * width >= TOLERANCE_CHANGE; tries++) {
    const [left, right] = low.t < high.t ? [low, high] : [high, low];
    let t: number = cubicMinimum(low, high, [left.t, right.t]);
    const margin = 0.1 * (right.t - left.t);
    const near: boolean = Math.min(right.t - t, t - left.t) < margin;
    const pushed: boolean = near && (stuck || t >= right.t || t <= left.t);
    if (pushed) {
      t = Math.abs(t - right.t) < Math.abs(t - left.t) ? right.t - margin : left.t + margin;
    }
    stuck = near && !pushed;
    const tried: Point = yield* probe(t);
    if (tooHigh(tried) || tried.loss >= low.loss) {
      [low, high] = tried.loss < low.loss ? [tried, low] : [low, tried];
    } else if (flat(tried)) {
      return { ...tried, evaluations };
    } else {
      [low, high] = [tried, tried.slope * (high.t - low.t) >= 0 ? low : high];
    }
  }
  return { ...low, evaluations };
}

/** The minimum, within bounds, of the cubic through both points and their slopes; the middle of the bounds where it has none. */
function cubicMinimum(a: Point, b: Point, [least, most]: readonly [number, number]): number {
  const [left, right] = a.t <= b.t ? [a, b] : [b, a];
  const d1 = left.slope + right.slope - (3 * (left.loss - right.loss)) / (left.t - right.t);
  const square = d1 * d1 - left.slope * right.slope;
  if (!(square >= 0)) {
    return (least + most) / 2;
  }
  const d2 = Math.sqrt(square);
  const t = right.t - ((right.t - left.t) * (right.slope + d2 - d1)) / (right.slope - left.slope + 2 * d2);
  return Math.min(Math.max(t, least), most);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, value, i) => total + value * at(b, i), 0);
}

/** a + scale·b. */
function sum(a: Float64Array, scale: number, b: Float64Array): Float64Array {
  return a.map((value, i) => value + scale * at(b, i));
}

function scaled(a: Float64Array, scale: number): Float64Array {
  return a.map((value) => value * scale);
}

function largest(a: Float64Array): number {
  return a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function absolute(a: Float64Array): number {
  return a.reduce((total, value) => total + Math.abs(value), 0);
}
