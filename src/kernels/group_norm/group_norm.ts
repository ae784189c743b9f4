/**
 * GroupNorm (+ SiLU) of x [N, …, C], statistics in f32. Outputs: y, and [N, groups, 2] mean and 1/√(variance + eps).
 * Three passes: partial statistics of each group by chunks of pixels; their combination, as one scale and shift a
 * channel; y = silu(x · scale + shift). v1: chunks by one invocation each, scalar. v3: for CPU drivers (columns.ts).
 * v4, v2: for GPUs, in one and in two passes (gpu.ts).
 */
import type { BufferRef, DeviceCaps, Dispatch, HostArray, OpSite, Variant } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { add, mul, sub } from '../binary.ts';
import { columnVariants } from '../common/columns.ts';
import { perElement } from '../common/grid.ts';
import { siluOf, siluSlopeOf } from '../common/math.ts';
import { canStoreOne, elementCost, expectShape, lastOf, vecOf } from '../common/site.ts';
import type { Team } from '../common/team.ts';
import { teamDispatch } from '../common/team.ts';
import { mean } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';
import { affine, rsqrt, silu, square } from '../unary.ts';
import { backwardByColumns, type Columns, forwardByColumns } from './columns.ts';
import {
  BACKWARD_LAST,
  BACKWARD_ONE,
  bind,
  CHUNK,
  type Extent,
  FORWARD_LAST,
  FORWARD_ONE,
  hasLanes,
  lastPass,
  ONE_PASS_ELEMENTS,
  type Operand,
  onePass,
} from './gpu.ts';
import {
  APPLY,
  BACKWARD_APPLY,
  BACKWARD_COMBINE,
  BACKWARD_SUMS,
  COMBINE,
  GAINS,
  PLAIN,
  STATISTICS,
  WITH_SILU,
} from './passes_wgsl.ts';

type GroupNorm = { readonly groups: number; readonly eps: number; readonly silu: boolean };
type Backward = { readonly silu: boolean };

function extentOf(shape: Shape, groups: number): Extent {
  const [images, channels] = [at(shape, 0), lastOf(shape)];
  return { images, pixels: sizeOf(shape) / images / channels, channels, groups, perGroup: channels / groups };
}

/** One use of the norm or its gradient. */
interface Passes {
  readonly extent: Extent;
  /** Rows of v1's table of channels. */
  readonly rows: number;
  readonly eps?: number;
  readonly code: {
    readonly sums: string;
    readonly combine: string;
    readonly apply: string;
    readonly one: string;
    readonly last: string;
  };
  readonly sums: readonly Operand[];
  readonly combine: readonly Operand[];
  readonly apply: readonly Operand[];
  /** All that the one pass or the last of two reads and writes. */
  readonly all: readonly Operand[];
}

const given = (name: string, input: number, wide = true): Operand => ({ name, ref: { input }, access: 'read', wide });
const made = (name: string, output: number, wide = true): Operand => ({ name, ref: { output }, access: 'write', wide });

const activationOf = ({ silu }: { readonly silu: boolean }): string => (silu ? WITH_SILU : PLAIN);

/** Partial sums of each group by chunks of `length` pixels, and where they are. */
function sumsPass(
  { extent, code, sums }: Passes,
  { label, activation, team, length }: { label: string; activation: string; team: Team; length: number },
): { readonly dispatch: Dispatch; readonly partial: BufferRef; readonly chunks: number } {
  const { images, pixels, channels, groups, perGroup } = extent;
  const chunks = Math.ceil(pixels / length);
  const vec = team === 'workgroup' ? vecOf(perGroup) : 1;
  const partial: BufferRef = { scratch: 0, type: { dtype: 'f32', shape: [images * groups, chunks, 2] } };
  const dispatch = teamDispatch({
    label: `${label}.sums`,
    code: activation + code.sums,
    team,
    vec,
    teams: images * groups * chunks,
    constants: { WIDTH: vec },
    params: { pixels, channels: channels / vec, groups, per_group: perGroup / vec, chunks, length },
    bindings: [...bind(sums, vec), { name: 'partial', ref: partial, access: 'write' }],
  });
  return { dispatch, partial, chunks };
}

function threePasses(p: Passes, label: string, activation: string): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = p.extent;
  const length = Math.min(pixels, 64);
  const { dispatch, partial, chunks } = sumsPass(p, { label, activation, team: 'invocation', length });
  const table: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: [images, p.rows, channels] } };
  return [
    dispatch,
    perElement({
      label: `${label}.combine`,
      code: p.code.combine,
      size: images * groups,
      params: {
        ...{ pixels, channels, groups, per_group: perGroup, chunks, length },
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: p.eps ?? 0 },
      },
      bindings: [
        { name: 'partial', ref: partial, access: 'read' },
        ...bind(p.combine, 1),
        { name: 'table', ref: table, access: 'write' },
      ],
      workgroup: 16,
    }),
    perElement({
      label: `${label}.apply`,
      code: activation + p.code.apply,
      size: images * pixels * channels,
      constants: { T: 'f32' },
      params: { pixels, channels },
      bindings: [...bind(p.apply, 1), { name: 'table', ref: table, access: 'read' }],
    }),
  ];
}

/** The variants of a chain of passes. */
function variants<A extends GroupNorm | Backward>(
  name: string,
  describe: (site: OpSite<A>) => Passes,
  byColumns: (columns: Columns, site: OpSite<A>) => Dispatch[],
): Record<'v4' | 'v3' | 'v2' | 'v1', Variant<A>> {
  const onGpu = (label: string, site: OpSite<A>, { extent, eps = 0, all }: Passes) => ({
    label,
    extent,
    eps,
    activation: activationOf(site.attrs),
    operands: all,
  });
  const storable = (site: OpSite<A>, caps: DeviceCaps): boolean =>
    vecOf(lastOf(at(site.outputs, 0).shape)) === 4 || canStoreOne(at(site.outputs, 0), caps);
  return {
    v3: {
      supports: (site, caps) => caps.software && vecOf(lastOf(at(site.outputs, 0).shape)) === 4,
      dispatches: (site) => {
        const { extent } = describe(site);
        return byColumns({ label: `${name}.v3`, extent, activation: activationOf(site.attrs) }, site);
      },
    },
    v4: {
      supports: (site, caps) => {
        const { extent } = describe(site);
        const isSmall = extent.pixels * extent.perGroup <= ONE_PASS_ELEMENTS;
        return (
          isSmall &&
          hasLanes(extent, caps.maxInvocations) &&
          (vecOf(extent.perGroup) === 4 || canStoreOne(at(site.outputs, 0), caps))
        );
      },
      dispatches: (site) => {
        const described = describe(site);
        return onePass(described.code.one, onGpu(`${name}.v4`, site, described));
      },
    },
    v2: {
      supports: (site, caps) => storable(site, caps) && hasLanes(describe(site).extent, caps.maxInvocations),
      dispatches: (site) => {
        const described = describe(site);
        const label = `${name}.v2`;
        const { dispatch, partial } = sumsPass(described, {
          label,
          activation: activationOf(site.attrs),
          team: 'workgroup',
          length: Math.min(described.extent.pixels, CHUNK),
        });
        return [dispatch, lastPass(described.code.last, onGpu(`${label}.last`, site, described), partial)];
      },
    },
    v1: {
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => threePasses(describe(site), `${name}.v1`, activationOf(site.attrs)),
    },
  };
}

/** Calls `visit(element, group of its image, channel)` for every element. */
function forEachElement(
  { images, pixels, channels, groups, perGroup }: Extent,
  visit: (i: number, k: number, c: number) => void,
): void {
  for (let i = 0; i < images * pixels * channels; i++) {
    const c = i % channels;
    visit(i, Math.floor(i / (pixels * channels)) * groups + Math.floor(c / perGroup), c);
  }
}

const backwardOperands = (inputs: readonly HostArray[]) =>
  [at(inputs, 0).data, at(inputs, 1).data, at(inputs, 2).data, at(inputs, 3).data, at(inputs, 4).data] as const;

/** x, stats, gamma, beta, dy → dx. */
const backwardOp = defineOp<Backward>({
  name: 'group_norm_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 4)];
    expectShape(dy, x.shape, 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = backwardOperands(inputs);
    const extent = extentOf(at(site.outputs, 0).shape, at(at(site.inputs, 1).shape, 1));
    const count = extent.pixels * extent.perGroup;
    const g = new Float64Array(x.length);
    const n = new Float64Array(x.length);
    const sums = new Float64Array(stats.length);
    forEachElement(extent, (i, k, c) => {
      const ni = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const gi = at(gamma, c) * at(dy, i) * (site.attrs.silu ? siluSlopeOf(ni * at(gamma, c) + at(beta, c)) : 1);
      n[i] = ni;
      g[i] = gi;
      sums[2 * k] = at(sums, 2 * k) + gi / count;
      sums[2 * k + 1] = at(sums, 2 * k + 1) + (gi * ni) / count;
    });
    const dx = new Float64Array(x.length);
    forEachElement(extent, (i, k) => {
      dx[i] = at(stats, 2 * k + 1) * (at(g, i) - at(sums, 2 * k) - at(n, i) * at(sums, 2 * k + 1));
    });
    return [dx];
  },
  variants: variants<Backward>(
    'group_norm_backward',
    (site) => ({
      extent: extentOf(at(site.outputs, 0).shape, at(at(site.inputs, 1).shape, 1)),
      rows: 4,
      code: {
        sums: BACKWARD_SUMS,
        combine: BACKWARD_COMBINE,
        apply: BACKWARD_APPLY,
        one: BACKWARD_ONE,
        last: BACKWARD_LAST,
      },
      sums: [given('x', 0), given('stats', 1, false), given('gamma', 2), given('beta', 3), given('dy', 4)],
      combine: [given('stats', 1), given('gamma', 2), given('beta', 3)],
      apply: [given('x', 0), given('dy', 4), made('dx', 0)],
      all: [
        given('x', 0),
        given('stats', 1, false),
        given('gamma', 2),
        given('beta', 3),
        given('dy', 4),
        made('dx', 0),
      ],
    }),
    backwardByColumns,
  ),
  cost: (site) => elementCost(site, site.attrs.silu ? 28 : 16),
  cases: [false, true].flatMap((silu) => [
    {
      name: `odd${silu ? ', silu' : ''}`,
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [2, 2, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 3, 5, 6] }],
      attrs: { silu },
    },
    {
      name: `vec4, chunks${silu ? ', silu' : ''}`,
      inputs: [{ shape: [1, 9, 9, 8] }, { shape: [1, 2, 2] }, { shape: [8] }, { shape: [8] }, { shape: [1, 9, 9, 8] }],
      attrs: { silu },
    },
    {
      name: `several chunks and parts${silu ? ', silu' : ', across groups'}`,
      inputs: [
        { shape: [1, 35, 33, 32] },
        { shape: [1, silu ? 2 : 16, 2] },
        { shape: [32] },
        { shape: [32] },
        { shape: [1, 35, 33, 32] },
      ],
      attrs: { silu },
      grad: [], // finite differences of thousands of inputs; smaller cases take them
    },
  ]),
});

/** x, stats, gamma, beta, dy → gradients of gamma and beta. */
const gainsOp = defineOp<Backward>({
  name: 'group_norm_backward_gains',
  infer: (inputs) => {
    const { shape } = at(inputs, 2);
    return [
      { dtype: 'f32', shape },
      { dtype: 'f32', shape },
    ];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = backwardOperands(inputs);
    const dgamma = new Float64Array(gamma.length);
    const dbeta = new Float64Array(gamma.length);
    forEachElement(extentOf(at(site.inputs, 0).shape, at(at(site.inputs, 1).shape, 1)), (i, k, c) => {
      const n = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const dz = at(dy, i) * (site.attrs.silu ? siluSlopeOf(n * at(gamma, c) + at(beta, c)) : 1);
      dgamma[c] = at(dgamma, c) + dz * n;
      dbeta[c] = at(dbeta, c) + dz;
    });
    return [dgamma, dbeta];
  },
  variants: columnVariants<Backward>(
    'group_norm_backward_gains',
    GAINS,
    ['x', 'stats', 'gamma', 'beta', 'dy'],
    (site) => {
      const { images, pixels, channels, groups, perGroup } = extentOf(
        at(site.inputs, 0).shape,
        at(at(site.inputs, 1).shape, 1),
      );
      return {
        rows: images * pixels,
        width: channels,
        params: { pixels, groups, per_group: perGroup },
        snippet: activationOf(site.attrs),
      };
    },
  ),
  cost: (site) => ({ ...elementCost(site, 0), flops: 20 * sizeOf(at(site.inputs, 0).shape) }),
  cases: [false, true].map((silu) => ({
    name: silu ? 'silu' : 'plain',
    inputs: [{ shape: [2, 7, 5, 6] }, { shape: [2, 3, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 7, 5, 6] }],
    attrs: { silu },
  })),
});

const groupNormOp = defineOp<GroupNorm>({
  name: 'group_norm',
  storesOnce: true,
  infer: (inputs, { groups }) => {
    const [x, gamma, beta] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const channels = lastOf(x.shape);
    if (x.shape.length < 2 || channels % groups !== 0) {
      throw new Error(`[${x.shape.join(',')}] does not divide into ${groups} groups of channels`);
    }
    expectShape(gamma, [channels], 'gamma');
    expectShape(beta, [channels], 'beta');
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'f32', shape: [at(x.shape, 0), groups, 2] },
    ];
  },
  vjp: ({ inputs, outputs, attrs, dy }) => {
    const [x, gamma, beta, stats] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(outputs, 1)];
    const all = [x, stats, gamma, beta, dy];
    const { silu } = attrs;
    return [
      () => backwardOp.one(all, { silu }),
      () => at(gainsOp.call(all, { silu }), 0),
      () => at(gainsOp.call(all, { silu }), 1),
    ];
  },
  reference: (inputs, site) => {
    const [x, gamma, beta] = [at(inputs, 0).data, at(inputs, 1).data, at(inputs, 2).data];
    const { groups, eps, silu } = site.attrs;
    const extent = extentOf(at(site.outputs, 0).shape, groups);
    const count = extent.pixels * extent.perGroup;
    const stats = new Float64Array(2 * extent.images * groups);
    forEachElement(extent, (i, k) => {
      stats[2 * k] = at(stats, 2 * k) + at(x, i) / count;
    });
    forEachElement(extent, (i, k) => {
      stats[2 * k + 1] = at(stats, 2 * k + 1) + (at(x, i) - at(stats, 2 * k)) ** 2 / count;
    });
    for (let k = 1; k < stats.length; k += 2) {
      stats[k] = 1 / Math.sqrt(at(stats, k) + eps);
    }
    const y = new Float64Array(x.length);
    forEachElement(extent, (i, k, c) => {
      const z = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1) * at(gamma, c) + at(beta, c);
      y[i] = silu ? siluOf(z) : z;
    });
    return [y, stats];
  },
  variants: variants<GroupNorm>(
    'group_norm',
    (site) => ({
      extent: extentOf(at(site.outputs, 0).shape, site.attrs.groups),
      rows: 2,
      eps: site.attrs.eps,
      code: { sums: STATISTICS, combine: COMBINE, apply: APPLY, one: FORWARD_ONE, last: FORWARD_LAST },
      sums: [given('x', 0)],
      combine: [given('gamma', 1), given('beta', 2), made('stats', 1)],
      apply: [given('x', 0), made('y', 0)],
      all: [given('x', 0), given('gamma', 1), given('beta', 2), made('y', 0), made('stats', 1, false)],
    }),
    (columns, site) => forwardByColumns(columns, site.attrs.eps),
  ),
  cost: (site) => elementCost(site, site.attrs.silu ? 12 : 7),
  cases: [
    {
      name: 'odd',
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
      attrs: { groups: 2, eps: 1e-5, silu: false },
    },
    {
      name: 'silu',
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
      attrs: { groups: 3, eps: 1e-5, silu: true },
    },
    {
      name: 'vec4',
      inputs: [{ shape: [2, 3, 3, 8] }, { shape: [8] }, { shape: [8] }],
      attrs: { groups: 2, eps: 1e-6, silu: true },
    },
    {
      name: 'vec4 across groups',
      inputs: [{ shape: [1, 3, 3, 12] }, { shape: [12] }, { shape: [12] }],
      attrs: { groups: 6, eps: 1e-6, silu: false },
    },
    {
      name: 'chunks',
      inputs: [{ shape: [1, 9, 9, 4] }, { shape: [4] }, { shape: [4] }],
      attrs: { groups: 1, eps: 1e-6, silu: true },
    },
    {
      name: 'several chunks and parts',
      inputs: [{ shape: [2, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
      attrs: { groups: 2, eps: 1e-6, silu: true },
      grad: [], // finite differences of thousands of inputs; smaller cases take them
    },
    {
      name: 'several parts across groups',
      inputs: [{ shape: [1, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
      attrs: { groups: 16, eps: 1e-6, silu: false },
      grad: [],
    },
    {
      name: 'tokens',
      inputs: [{ shape: [2, 5, 4] }, { shape: [4] }, { shape: [4] }],
      attrs: { groups: 4, eps: 1e-6, silu: false },
    },
    {
      name: 'f16 weights',
      inputs: [{ shape: [1, 3, 2, 8] }, { shape: [8], dtype: 'f16' }, { shape: [8], dtype: 'f16' }],
      attrs: { groups: 2, eps: 1e-5, silu: true },
    },
    {
      name: 'f16',
      inputs: [{ shape: [1, 3, 2, 8], dtype: 'f16' }, { shape: [8] }, { shape: [8] }],
      attrs: { groups: 2, eps: 1e-5, silu: true },
    },
  ],
  composition: (inputs, attrs) => {
    const [x, gamma, beta] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const { images, pixels, groups, perGroup } = extentOf(x.shape, attrs.groups);
    const grouped = reshape(x, [images, pixels, groups, perGroup]);
    const centred = sub(grouped, mean(grouped, [1, 3], true));
    const n = mul(centred, rsqrt(affine(mean(square(centred), [1, 3], true), 1, attrs.eps)));
    const z = add(mul(reshape(n, x.shape), gamma), beta);
    return attrs.silu ? silu(z) : z;
  },
});

/**
 * GroupNorm over channel groups of x [N, …, C] with gain `gamma` [C] and offset `beta` [C]; then SiLU if asked for.
 * @throws Error when C is no multiple of `groups` or a shape does not fit.
 */
export const groupNorm = (
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: { readonly groups: number; readonly eps: number; readonly silu?: boolean },
): Tensor =>
  groupNormOp.one([x, gamma, beta], { groups: options.groups, eps: options.eps, silu: options.silu ?? false });
