/**
 * Gradients of gains and offsets: two sums over rows for each column, in fixed order.
 * invocation_per_chunk: rows in chunks, one invocation for a column of a chunk, then the chunks. naive: one a column.
 */

import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { read, write } from './bindings.ts';
import { DIVIDE } from './divide.ts';
import { perElement } from './per_element.ts';

/** `fn terms(row, c) -> vec2<f32>` gives what a row adds to the two sums. */
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
  /** Functions over T (f32 here) that the terms call. */
  readonly snippet?: string;
}

/** Outputs 0 and 1 of the op, each [width], are the two sums of `terms`; inputs are bound in order as `names`. */
export function columnVariants<A extends Attrs>(
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
