/**
 * Elementwise ops of one operand. Each nonlinear one makes its backward too: `<name>_backward(saved, dy) = dy · slope(saved)`.
 * All exports of this file are public: to add an op, add its definition and its function here.
 */
import type { Attrs, Op } from '../../tensor/op.ts';
import type { CaseInput } from '../../tensor/op_case.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { GELU, geluOf, geluSlopeOf, sigmoidOf, siluOf, siluSlopeOf, TANH } from '../common/math.ts';
import { unaryCases } from './cases.ts';
import { defineElementwise } from './elementwise.ts';

type None = Record<string, never>;
const NONE: None = {};

interface Unary<A extends Attrs> {
  readonly name: string;
  /** WGSL over `a`, and its function in f64. */
  readonly expression: string;
  readonly f64: (x: number, attrs: A) => number;
  /** The value that the slope is a function of. */
  readonly saved: 'input' | 'output';
  /** Derivative: WGSL over `a` (= saved), and in f64. */
  readonly slope: string;
  readonly slope64: (saved: number, attrs: A) => number;
  readonly snippet?: string;
  readonly parameters?: (attrs: A) => readonly number[];
  readonly flops?: number;
  readonly fill?: CaseInput['fill'];
  readonly attrs: A;
}

function defineUnary<A extends Attrs>(unary: Unary<A>): Op<A> {
  const { name, snippet, parameters, flops = 1, fill = 'normal', attrs } = unary;
  const shared = { ...(snippet ? { snippet } : {}), ...(parameters ? { parameters } : {}) };
  const backward = defineElementwise<A>({
    ...shared,
    name: `${name}_backward`,
    arity: 2,
    expression: `b * (${unary.slope})`,
    f64: (a, saved, dy) => dy * unary.slope64(saved, a),
    flops: 2 * flops,
    cases: [
      { name: 'odd', inputs: [{ shape: [3, 5], fill }, { shape: [3, 5] }], attrs },
      { name: 'vec4', inputs: [{ shape: [3, 8], fill }, { shape: [3, 8] }], attrs },
    ],
  });
  return defineElementwise<A>({
    ...shared,
    name,
    arity: 1,
    expression: unary.expression,
    f64: (a, x) => unary.f64(x, a),
    vjp: ({ inputs, outputs, attrs, dy }) => {
      const [saved] = unary.saved === 'input' ? inputs : outputs;
      return [() => backward.one(saved ? [saved, dy] : [], attrs)];
    },
    flops,
    cases: unaryCases(attrs, fill),
  });
}

const negOp = defineElementwise<None>({
  name: 'neg',
  arity: 1,
  expression: '-a',
  f64: (_, a) => -a,
  vjp: ({ dy }) => [() => neg(dy)],
  cases: unaryCases(NONE),
});

/** -x. */
export const neg = (x: Tensor): Tensor => negOp.one([x], {});

type Affine = { readonly factor: number; readonly offset: number };
const affineOp = defineElementwise<Affine>({
  name: 'affine',
  arity: 1,
  expression: 'a * p0 + p1',
  parameters: ({ factor, offset }) => [factor, offset],
  f64: ({ factor, offset }, a) => a * factor + offset,
  vjp: ({ attrs, dy }) => [() => affine(dy, attrs.factor)],
  flops: 2,
  cases: [
    ...unaryCases({ factor: -0.75, offset: 1.25 }),
    { name: 'factor only', inputs: [{ shape: [5] }], attrs: { factor: 1e-5, offset: 0 } },
  ],
});

/** x · factor + offset. */
export const affine = (x: Tensor, factor: number, offset = 0): Tensor => affineOp.one([x], { factor, offset });

const expOp = defineUnary<None>({
  name: 'exp',
  expression: 'exp(a)',
  f64: Math.exp,
  saved: 'output',
  slope: 'a',
  slope64: (y) => y,
  attrs: NONE,
});

/** e to the power x. */
export const exp = (x: Tensor): Tensor => expOp.one([x], {});

const logOp = defineUnary<None>({
  name: 'log',
  expression: 'log(a)',
  f64: Math.log,
  saved: 'input',
  slope: '1.0 / a',
  slope64: (x) => 1 / x,
  fill: 'positive',
  attrs: NONE,
});

/** The natural logarithm of x. */
export const log = (x: Tensor): Tensor => logOp.one([x], {});

const sqrtOp = defineUnary<None>({
  name: 'sqrt',
  expression: 'sqrt(a)',
  f64: Math.sqrt,
  saved: 'output',
  slope: '0.5 / a',
  slope64: (y) => 0.5 / y,
  fill: 'positive',
  attrs: NONE,
});

/** The square root of x. */
export const sqrt = (x: Tensor): Tensor => sqrtOp.one([x], {});

const rsqrtOp = defineUnary<None>({
  name: 'rsqrt',
  expression: '1.0 / sqrt(a)',
  f64: (x) => 1 / Math.sqrt(x),
  saved: 'output',
  slope: '-0.5 * a * a * a',
  slope64: (y) => -0.5 * y * y * y,
  fill: 'positive',
  attrs: NONE,
});

/** 1 / √x. */
export const rsqrt = (x: Tensor): Tensor => rsqrtOp.one([x], {});

const squareOp = defineUnary<None>({
  name: 'square',
  expression: 'a * a',
  f64: (x) => x * x,
  saved: 'input',
  slope: '2.0 * a',
  slope64: (x) => 2 * x,
  attrs: NONE,
});

/** x². */
export const square = (x: Tensor): Tensor => squareOp.one([x], {});

const absOp = defineUnary<None>({
  name: 'abs',
  expression: 'abs(a)',
  f64: Math.abs,
  saved: 'input',
  slope: 'sign(a)',
  slope64: Math.sign,
  attrs: NONE,
});

/** The absolute value of x. */
export const abs = (x: Tensor): Tensor => absOp.one([x], {});

const reciprocalOp = defineUnary<None>({
  name: 'reciprocal',
  expression: '1.0 / a',
  f64: (x) => 1 / x,
  saved: 'output',
  slope: '-a * a',
  slope64: (y) => -y * y,
  fill: 'positive',
  attrs: NONE,
});

/** 1 / x. */
export const reciprocal = (x: Tensor): Tensor => reciprocalOp.one([x], {});

const sigmoidOp = defineUnary<None>({
  name: 'sigmoid',
  expression: '1.0 / (1.0 + exp(-a))',
  f64: sigmoidOf,
  saved: 'output',
  slope: 'a * (1.0 - a)',
  slope64: (y) => y * (1 - y),
  flops: 4,
  attrs: NONE,
});

/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: Tensor): Tensor => sigmoidOp.one([x], {});

const tanhOp = defineUnary<None>({
  name: 'tanh',
  expression: 'tanh_(a)',
  f64: Math.tanh,
  saved: 'output',
  slope: '1.0 - a * a',
  slope64: (y) => 1 - y * y,
  snippet: TANH,
  flops: 6,
  attrs: NONE,
});

/** The hyperbolic tangent of x. */
export const tanh = (x: Tensor): Tensor => tanhOp.one([x], {});

const reluOp = defineUnary<None>({
  name: 'relu',
  expression: 'max(a, T(0.0))',
  f64: (x) => Math.max(x, 0),
  saved: 'input',
  slope: 'select(T(0.0), T(1.0), a > T(0.0))',
  slope64: (x) => (x > 0 ? 1 : 0),
  attrs: NONE,
});

/** max(x, 0). */
export const relu = (x: Tensor): Tensor => reluOp.one([x], {});

const siluOp = defineUnary<None>({
  name: 'silu',
  expression: 'a / (1.0 + exp(-a))',
  f64: siluOf,
  saved: 'input',
  slope: '(1.0 + a * (1.0 - 1.0 / (1.0 + exp(-a)))) / (1.0 + exp(-a))',
  slope64: siluSlopeOf,
  flops: 5,
  attrs: NONE,
});

/** x · sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => siluOp.one([x], {});

const quickGeluOp = defineUnary<None>({
  name: 'quick_gelu',
  expression: 'a / (1.0 + exp(-1.702 * a))',
  f64: (x) => x * sigmoidOf(1.702 * x),
  saved: 'input',
  slope: '(1.0 + 1.702 * a * (1.0 - 1.0 / (1.0 + exp(-1.702 * a)))) / (1.0 + exp(-1.702 * a))',
  slope64: (x) => {
    const s = sigmoidOf(1.702 * x);
    return s * (1 + 1.702 * x * (1 - s));
  },
  flops: 6,
  attrs: NONE,
});

/** x · sigmoid(1.702 x), as in OpenAI's CLIP. */
export const quickGelu = (x: Tensor): Tensor => quickGeluOp.one([x], {});

const geluOp = defineUnary<None>({
  name: 'gelu',
  expression: 'gelu(a)',
  f64: geluOf,
  saved: 'input',
  slope: 'gelu_slope(a)',
  slope64: geluSlopeOf,
  snippet: GELU,
  flops: 20,
  attrs: NONE,
});

// 0.5 (1 + tanh u) = sigmoid(2u), u = √(2/π) (x + 0.044715 x³).
const GELU_TANH_SIGMOID = '(1.0 / (1.0 + exp(-1.5957691216057308 * a * (1.0 + 0.044715 * a * a))))';
const TANH_SCALE = Math.sqrt(2 / Math.PI);
/** x · Φ(x) by the tanh approximation of Φ. */
const geluTanhOp = defineUnary<None>({
  name: 'gelu_tanh',
  expression: `a * ${GELU_TANH_SIGMOID}`,
  f64: (x) => 0.5 * x * (1 + Math.tanh(TANH_SCALE * (x + 0.044715 * x ** 3))),
  saved: 'input',
  slope: `${GELU_TANH_SIGMOID} * (1.0 + a * (1.0 - ${GELU_TANH_SIGMOID}) * 1.5957691216057308 * (1.0 + 0.134145 * a * a))`,
  slope64: (x) => {
    const t = Math.tanh(TANH_SCALE * (x + 0.044715 * x ** 3));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * TANH_SCALE * (1 + 3 * 0.044715 * x * x);
  },
  flops: 12,
  attrs: NONE,
});

/** x · Φ(x), exactly ('erf') or by the tanh approximation. */
export const gelu = (x: Tensor, approximate: 'erf' | 'tanh' = 'erf'): Tensor =>
  (approximate === 'erf' ? geluOp : geluTanhOp).one([x], {});

type Clamp = { readonly lo: number; readonly hi: number };
const clampOp = defineUnary<Clamp>({
  name: 'clamp',
  expression: 'clamp(a, T(p0), T(p1))',
  f64: (x, { lo, hi }) => Math.min(Math.max(x, lo), hi),
  saved: 'input',
  slope: 'select(T(0.0), T(1.0), (a >= T(p0)) & (a <= T(p1)))',
  slope64: (x, { lo, hi }) => (x >= lo && x <= hi ? 1 : 0),
  parameters: ({ lo, hi }) => [lo, hi],
  flops: 2,
  attrs: { lo: -0.5, hi: 0.75 },
});

/** Limits x to [lo, hi]. The gradient passes where lo <= x <= hi, as in torch.clamp. @throws Error when lo > hi. */
export function clamp(x: Tensor, lo: number, hi: number): Tensor {
  if (!(lo <= hi)) {
    throw new Error(`clamp to [${lo}, ${hi}]: the bounds are reversed`);
  }
  return clampOp.one([x], { lo, hi });
}
