/**
 * Attention of long heads in f32 on matrix units, and its gradients, as matrix products with stored scores (tiles of
 * common/split_tile.ts): the operands of a head of 512 do not fit a subgroup's registers, and 16 rows at a time, which would, read
 * k and v so often that memory is the bound. As many query rows are computed at a time as MAX_SCORE_BYTES hold.
 *
 * Forward: scores, their log-sum-exp, y = exp(scores - lse) v. Backward, with delta = Σ y dy of a row: p = exp(scale q kᵀ - lse),
 * dv = pᵀ dy, ds = p (dy vᵀ - delta), dq = scale ds k, dk = scale dsᵀ q. Sums over all queries grow from one part of the rows to
 * the next.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import type { Variant } from '../../tensor/op.ts';
import type { TensorType } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { tileWork } from '../common/matrix_tile.ts';
import { type Neighbours, SPLIT_PRODUCTS, splitTile, splitTileCode } from '../common/split_tile.ts';
import { attentionParams, INDEXING, maskBinding, maskCode } from './operands.ts';
import type { AttentionAttrs, AttentionSite, BackwardAttrs } from './shapes.ts';
import { differentiatedOperands, OPERAND_NAMES, operandCount, siteSizes } from './shapes.ts';

/** Shorter heads have tiled kernels. */
const MIN_HEAD = 161;
const MAX_SCORE_BYTES = 2 ** 29;
/** Rows of a part are a multiple of it. On CPU drivers, which only test this, a part has no more, so that cases have several parts. */
const PART_ROWS = 32;
const LANES = 64;
/** Workgroups along one axis. */
const MAX_GROUPS = 65535;

/** Where a workgroup is. A score's place is its row in this part of the queries, and four keys. */
const PLACE = /* wgsl */ `
const LOWEST = -3.0e38;
var<private> first_row: u32;
var<private> first_column: u32;
var<private> first_k: u32;
var<private> batch: u32;
var<private> head: u32;

fn step_count(group: vec3u) -> u32 { return (params.k + K_STEP - 1u) / K_STEP; }

fn begin(group: vec3u, index: u32) {
  first_row = group.y * TILE_ROWS;
  first_column = group.x * TILE_COLUMNS;
  head = group.z % params.heads;
  batch = group.z / params.heads;
}

fn advance() { first_k += K_STEP; }

fn has_row(row: u32) -> bool { return first_row + row < params.m; }

fn score_at(row: u32, four: u32) -> u32 {
  return ((batch * params.heads + head) * params.part + row) * params.score_row + four;
}
`;

type Operand = 'q' | 'k' | 'v' | 'y';

/** Rows of a are queries, k the elements of a head. */
const queriesLeft = (operand: 'q' | 'y'): string => /* wgsl */ `
fn fetch_a(item: u32, index: u32) -> Four {
  let t = min(params.first + first_row + a_row(item, index), params.queries - 1u);
  let c = (first_k + a_k(index)) / 4u;
  return select(Four(), load_a(${operand}_at(batch, t, head) + min(c, HEAD - 1u)), c < HEAD);
}
`;

/** Rows of a are queries, k the keys. \`value\` makes of x, four scores of row r, what is multiplied. */
const scoresLeft = (value: string): string => /* wgsl */ `
fn fetch_a(item: u32, index: u32) -> Four {
  let r = min(first_row + a_row(item, index), params.m - 1u);
  let c = (first_k + a_k(index)) / 4u;
  let x = load_a(score_at(r, min(c, params.score_row - 1u)));
  return select(Four(), ${value}, c < params.score_row);
}
`;

/** Rows of a are keys, k the queries. */
const SCORES_TRANSPOSED = /* wgsl */ `
fn fetch_a(item: u32, index: u32) -> Four {
  let r = first_k + a_line(item, index);
  let c = min(first_row / 4u + a_four(index), params.score_row - 1u);
  return select(Four(), load_a(score_at(min(r, params.k - 1u), c)), r < params.k);
}
`;

/** Columns of b are keys, k the elements of a head. */
const keysRight = (operand: 'k' | 'v'): string => /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let s = min(first_column + b_line(item, index), params.keys - 1u);
  return load_b(${operand}_at(batch, s, head) + min(first_k / 4u + b_four(index), HEAD - 1u));
}
`;

/** Columns of b are elements of a head, k the keys (of k or v) or the queries (of q or y). */
const elementsRight = (operand: Operand): string => /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let k = ${operand === 'q' || operand === 'y' ? 'min(params.first + first_k + b_line(item, index), params.queries - 1u)' : 'min(first_k + b_line(item, index), params.keys - 1u)'};
  return load_b(${operand}_at(batch, k, head) + min(first_column / 4u + b_four(index), HEAD - 1u));
}
`;

const SEEN = /* wgsl */ `
fn sees(t: u32, s: u32) -> bool {
  return s < params.keys && (params.causal == 0u || s <= t) && attends(batch * params.keys + min(s, params.keys - 1u));
}
`;

/** \`value\` makes of v, four products of query t and four keys of the place i, what is stored: \`unseen\` where t does not see a key. */
const putScores = (value: string, unseen: string): string => /* wgsl */ `
${SEEN}
fn put(r: u32, c: u32, v: vec4f) {
  let row = first_row + r;
  let column = first_column / 4u + c;
  let t = params.first + row;
  if (row < params.m && column < params.score_row) {
    let s = column * 4u;
    let seen = vec4<bool>(sees(t, s), sees(t, s + 1u), sees(t, s + 2u), sees(t, s + 3u));
    store_y(score_at(row, column), select(vec4f(${unseen}), ${value}, seen));
  }
}
`;

const PUT_DS = /* wgsl */ `
fn put(r: u32, c: u32, v: vec4f) {
  let row = first_row + r;
  let column = first_column / 4u + c;
  if (row < params.m && column < params.score_row) {
    let i = score_at(row, column);
    store_y(i, load_y(i) * (v - load_delta(row_at(batch, params.first + row, head))));
  }
}
`;

/** Rows are queries, or keys; \`value\` makes of v what is stored at i. */
const putRows = (operand: Operand, value: string): string => /* wgsl */ `
fn put(r: u32, c: u32, v: vec4f) {
  let row = first_row + r;
  let column = first_column / 4u + c;
  if (row < params.m && column < HEAD) {
    let i = ${operand}_at(batch, ${operand === 'q' || operand === 'y' ? 'params.first + row' : 'row'}, head) + column;
    store_y(i, ${value});
  }
}
`;

const LSE = /* wgsl */ `
const LOWEST = -3.0e38;
var<workgroup> most: array<f32, LANES>;
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let start = ((group.z * params.heads + group.y) * params.part + group.x) * params.score_row;
  var high = LOWEST;
  var sum = 0.0;
  for (var c = index; c < params.score_row; c += LANES) {
    let x = load_a(start + c);
    let higher = max(high, max(max(x.x, x.y), max(x.z, x.w)));
    sum = sum * exp(high - higher) + dot(select(vec4f(), exp(x - higher), x > vec4f(LOWEST)), vec4f(1.0));
    high = higher;
  }
  most[index] = high;
  sums[index] = sum;
  workgroupBarrier();
  for (var d = LANES / 2u; d > 0u; d /= 2u) {
    if (index < d) {
      let higher = max(most[index], most[index + d]);
      sums[index] = sums[index] * exp(most[index] - higher) + sums[index + d] * exp(most[index + d] - higher);
      most[index] = higher;
    }
    workgroupBarrier();
  }
  if (index == 0u) {
    store_lse(row_at(group.z, params.first + group.x, group.y), select(0.0, most[0] + log(sums[0]), sums[0] > 0.0));
  }
}
`;

const DELTA = /* wgsl */ `
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  var sum = 0.0;
  for (var c = index; c < HEAD; c += LANES) {
    let i = y_at(group.z, group.x, group.y) + c;
    sum += dot(load_a(i), load_b(i));
  }
  sums[index] = sum;
  workgroupBarrier();
  for (var d = LANES / 2u; d > 0u; d /= 2u) {
    if (index < d) {
      sums[index] += sums[index + d];
    }
    workgroupBarrier();
  }
  if (index == 0u) {
    store_delta(row_at(group.z, group.x, group.y), sums[0]);
  }
}
`;

/** One use of either op, with the scores of as many queries as are computed at a time. */
interface Use {
  readonly site: AttentionSite;
  readonly caps: DeviceCaps;
  readonly label: string;
  readonly params: Readonly<Record<string, Param>>;
  readonly scores: TensorType;
  /** The first query of each part, and how many it has. */
  readonly parts: readonly { readonly first: number; readonly rows: number }[];
}

function useOf(site: AttentionSite, caps: DeviceCaps, label: string): Use {
  const { batch, heads, queries, keys } = siteSizes(site);
  const fours = Math.ceil(keys / 4);
  const fit = Math.floor(MAX_SCORE_BYTES / (16 * fours * batch * heads));
  const most = caps.software ? PART_ROWS : Math.floor(fit / PART_ROWS) * PART_ROWS;
  const part = Math.min(queries, Math.max(PART_ROWS, most));
  return {
    site,
    caps,
    label,
    params: { ...attentionParams(site, 4), part, score_row: fours },
    scores: { dtype: 'f32', shape: [batch * heads, part, 4 * fours] },
    parts: Array.from({ length: Math.ceil(queries / part) }, (_, i) => ({
      first: i * part,
      rows: Math.min(part, queries - i * part),
    })),
  };
}

/** Index of the input that holds an operand. */
const inputOf = (site: AttentionSite, operand: 'q' | 'k' | 'v'): number =>
  OPERAND_NAMES[siteSizes(site).packing].findIndex((name) => name.includes(operand));

interface Product {
  readonly first: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Neighbours;
  readonly b: Neighbours;
  readonly hooks: string;
  readonly bindings: readonly Binding[];
}

function product({ site, caps, label, params }: Use, { first, m, n, k, a, b, hooks, bindings }: Product): Dispatch {
  const { batch, heads, head } = siteSizes(site);
  const tile = splitTile(m, n, batch * heads, caps);
  if (!tile) {
    throw new Error(`${label} needs f16 matrices in subgroups`);
  }
  return {
    label,
    code: splitTileCode(PLACE + INDEXING + hooks, a, b, caps),
    constants: { HEAD: head / 4, ...tile.constants },
    params: { ...params, first, m, k },
    bindings,
    workgroups: [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), batch * heads],
    matrixWork: tileWork(tile, { m, n, k, batch: batch * heads }, SPLIT_PRODUCTS),
  };
}

function rowSums(
  use: Use,
  name: string,
  code: string,
  rows: number,
  bindings: readonly Binding[],
  first = 0,
): Dispatch {
  const { batch, heads, head } = siteSizes(use.site);
  return {
    label: `${use.label}.${name}`,
    code: INDEXING + code,
    constants: { HEAD: head / 4, LANES },
    params: { ...use.params, first },
    bindings,
    workgroups: [rows, heads, batch],
  };
}

function supports(site: AttentionSite, caps: DeviceCaps): boolean {
  const { batch, heads, head, queries, keys } = siteSizes(site);
  const operands = site.inputs.slice(0, operandCount(site.inputs, site.attrs) + ('gradients' in site.attrs ? 2 : 0));
  return (
    head >= MIN_HEAD &&
    head % 4 === 0 &&
    operands.every(({ dtype }) => dtype === 'f32') &&
    Math.max(queries, batch * heads) <= MAX_GROUPS &&
    splitTile(queries, keys, batch * heads, caps) !== null
  );
}

export const subgroupMatrixSplit: Variant<AttentionAttrs> = {
  name: 'subgroup_matrix_split',
  supports,
  dispatches: (site, caps) => {
    const use = useOf(site, caps, 'attention.subgroup_matrix_split');
    const { head, keys } = siteSizes(site);
    const scores = { scratch: 0, type: use.scores };
    return use.parts.flatMap(({ first, rows }) => [
      product(use, {
        ...{ first, m: rows, n: keys, k: head, a: 'along k', b: 'along k' },
        hooks: queriesLeft('q') + keysRight('k') + putScores('v * params.scale', 'LOWEST') + maskCode(site),
        bindings: [
          read('a', inputOf(site, 'q'), 4),
          read('b', inputOf(site, 'k'), 4),
          ...maskBinding(site),
          write('y', scores, 4),
        ],
      }),
      rowSums(use, 'lse', LSE, rows, [read('a', scores, 4), write('lse', 1)], first),
      product(use, {
        ...{ first, m: rows, n: head, k: keys, a: 'along k', b: 'across k' },
        hooks:
          scoresLeft('exp(x - load_lse(row_at(batch, params.first + r, head)))') +
          elementsRight('v') +
          putRows('y', 'v'),
        bindings: [
          read('a', scores, 4),
          read('b', inputOf(site, 'v'), 4),
          read('lse', { output: 1 }),
          write('y', 0, 4),
        ],
      }),
    ]);
  },
};

export const subgroupMatrixSplitBackward: Variant<BackwardAttrs> = {
  name: 'subgroup_matrix_split',
  supports,
  dispatches: (site, caps) => {
    const use = useOf(site, caps, 'attention_backward.subgroup_matrix_split');
    const { batch, heads, head, queries, keys } = siteSizes(site);
    const { gradients } = site.attrs;
    const saved = operandCount(site.inputs, site.attrs);
    const [y, dy, lse] = [saved, saved + 1, saved + 2];
    const scores = { scratch: 0, type: use.scores };
    const delta = { scratch: 1, type: { dtype: 'f32', shape: [batch, heads, queries] } } as const;
    const outputOf = (operand: 'q' | 'k' | 'v'): number => differentiatedOperands(site).indexOf(inputOf(site, operand));
    // The gradients of keys are sums over all queries.
    const keyRows = (operand: 'k' | 'v', first: number, value: string) => ({
      put: putRows(operand, first === 0 ? value : `load_y(i) + ${value}`),
      result: { ...write('y', outputOf(operand), 4), access: first === 0 ? 'write' : 'read_write' } as const,
    });
    const ofPart = ({ first, rows }: Use['parts'][number]): Dispatch[] => {
      const [dv, dk] = [keyRows('v', first, 'v'), keyRows('k', first, 'v * params.scale')];
      const ofKeys = { first, m: keys, n: head, k: rows, a: 'across k', b: 'across k' } as const;
      const ofScores = { first, m: rows, n: keys, k: head, a: 'along k', b: 'along k' } as const;
      const p = product(use, {
        ...ofScores,
        hooks:
          queriesLeft('q') +
          keysRight('k') +
          putScores('exp(v * params.scale - load_lse(row_at(batch, t, head)))', '0.0') +
          maskCode(site),
        bindings: [
          read('a', inputOf(site, 'q'), 4),
          read('b', inputOf(site, 'k'), 4),
          read('lse', lse),
          ...maskBinding(site),
          write('y', scores, 4),
        ],
      });
      const vGradient = product(use, {
        ...ofKeys,
        hooks: SCORES_TRANSPOSED + elementsRight('y') + dv.put,
        bindings: [read('a', scores, 4), read('b', dy, 4), dv.result],
      });
      const ds = product(use, {
        ...ofScores,
        hooks: queriesLeft('y') + keysRight('v') + PUT_DS,
        bindings: [
          read('a', dy, 4),
          read('b', inputOf(site, 'v'), 4),
          read('delta', delta),
          { ...write('y', scores, 4), access: 'read_write' },
        ],
      });
      const qGradient = product(use, {
        ...{ first, m: rows, n: head, k: keys, a: 'along k', b: 'across k' },
        hooks: scoresLeft('x') + elementsRight('k') + putRows('q', 'v * params.scale'),
        bindings: [read('a', scores, 4), read('b', inputOf(site, 'k'), 4), write('y', outputOf('q'), 4)],
      });
      const kGradient = product(use, {
        ...ofKeys,
        hooks: SCORES_TRANSPOSED + elementsRight('q') + dk.put,
        bindings: [read('a', scores, 4), read('b', inputOf(site, 'q'), 4), dk.result],
      });
      return [
        p,
        ...(gradients === 'query' ? [] : [vGradient]),
        ds,
        ...(gradients === 'keys' ? [] : [qGradient]),
        ...(gradients === 'query' ? [] : [kGradient]),
      ];
    };
    return [
      rowSums(use, 'delta', DELTA, queries, [read('a', y, 4), read('b', dy, 4), write('delta', delta)]),
      ...use.parts.flatMap(ofPart),
    ];
  },
};
