/**
 * Variants of ops that sum two terms over all rows, for each column: the gradients of gains and offsets. The order of the sums is
 * fixed. naive: an invocation sums a column. invocation_per_chunk: an invocation sums a column of a chunk of rows, then the chunks
 * are summed.
 */
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { read, write } from './bindings.ts';
import { DIVIDE } from './divide.ts';
import { perElement } from './per_element.ts';

/** Needs `fn terms(row, c) -> vec2<f32>`, the two terms of a row. */
const SUM_ROWS = `${DIVIDE}
fn run(i: u32) {
  let chunk = quotient(i, params.width);
  let c = i - chunk * params.width;
  let end = min((chunk + 1u) * params.length, params.rows);
  var sums = vec2<f32>();
  for (var row = chunk * params.length; row < end; row++) {
    sums += terms(row, c);
  }
  store_first(i, sums.x);
  store_second(i, sums.y);
}
`;

const CHUNK_TERMS = `
fn terms(row: u32, c: u32) -> vec2<f32> {
  let i = row * params.width + c;
  return vec2<f32>(load_firsts(i), load_seconds(i));
}
`;

interface Extent {
  readonly rows: number;
  readonly width: number;
  readonly params?: Readonly<Record<string, Param>>;
  /** WGSL functions over T (f32 here) that the terms call. */
  readonly snippet?: string;
}

/** Makes the variants: outputs 0 and 1, each [width], are the two sums of `terms`; inputs are bound in order as `names`. */
export function columnSumVariants<A extends Attrs>(
  name: string,
  terms: string,
  names: readonly string[],
  extentOf: (site: OpSite<A>) => Extent,
): Variant<A>[] {
  const chunked =
    (variant: string, chunk: number) =>
    (site: OpSite<A>): Dispatch[] => {
      const { rows, width, params, snippet = '' } = extentOf(site);
      const length = Math.min(chunk, rows);
      const chunks = Math.ceil(rows / length);
      const label = `${name}.${variant}`;
      const inputs = names.map((n, k) => read(n, k));
      const results = ['first', 'second'].map((n, k) => write(n, k));
      const partial = (k: number) => ({ scratch: k, type: { dtype: 'f32', shape: [chunks, width] } }) as const;
      const pass = (code: string, n: number, size: number, bindings: Binding[], of: number): Dispatch =>
        perElement({
          label,
          code: code + SUM_ROWS,
          size,
          constants: { T: 'f32' },
          params: { rows: of, length: n, width, ...params },
          bindings,
        });
      if (chunks === 1) {
        return [pass(snippet + terms, length, width, [...inputs, ...results], rows)];
      }
      const written = ['first', 'second'].map((n, k) => write(n, partial(k)));
      const partials = ['firsts', 'seconds'].map((n, k) => read(n, partial(k)));
      return [
        pass(snippet + terms, length, width * chunks, [...inputs, ...written], rows),
        pass(CHUNK_TERMS, chunks, width, [...partials, ...results], chunks),
      ];
    };
  return [
    { name: 'invocation_per_chunk', dispatches: chunked('invocation_per_chunk', 64) },
    { name: 'naive', dispatches: chunked('naive', Number.POSITIVE_INFINITY) },
  ];
}
