/** Checks the displayed formulas of the course: each has its evaluation in f64 beside its text. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill } from '../../../../src/kernels/check/case_values.ts';
import { siteOfCase } from '../../../../src/kernels/check/run_case.ts';
import '../../../../src/kernels/index.ts';
import { PACKAGE_ROOT } from '../../../../src/platform/node/package_root.ts';
import { type Attrs, opNamed } from '../../../../src/tensor/op.ts';
import { at, type Shape } from '../../../../src/tensor/types.ts';

/** The displayed formulas of a page, in order. */
const formulasOf = (page: string): string[] =>
  [...readFileSync(join(PACKAGE_ROOT, 'docs/kernels', page), 'utf8').matchAll(/^```math\n([\s\S]*?)\n```$/gm)].map(
    ([, text = '']) => text,
  );

/** Each formula of `page`, in order, with what computes and compares it. */
export function describeFormulas(page: string, formulas: readonly (readonly [string, () => void])[]): void {
  describe(`the formulas of docs/kernels/${page}`, () => {
    it('are those that are checked here', () => {
      expect(formulasOf(page)).toEqual(formulas.map(([text]) => text));
    });
    it.each(formulas)('%s', (_, check) => check());
  });
}

/** Normal random numbers. */
export const random = (count: number, seed: number): Float64Array => fill({ shape: [count] }, seed);

/** Compares lists of numbers, relative to the largest. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-12): void {
  const largest = Math.max(1e-300, ...Array.from(expected, Math.abs));
  expect(actual.length).toBe(expected.length);
  const worst = Math.max(...Array.from(expected, (value, i) => Math.abs(value - at(actual, i)))) / largest;
  expect(worst).toBeLessThan(tolerance);
}

/** The gradient of `value` to the numbers of x, by central differences. */
export function differences(value: () => number, x: Float64Array, h = 1e-5): Float64Array {
  return x.map((before, i) => {
    x[i] = before + h;
    const above = value();
    x[i] = before - h;
    const below = value();
    x[i] = before;
    return (above - below) / (2 * h);
  });
}

/** Compares a gradient with central differences of `value`. */
export const expectGradient = (gradient: ArrayLike<number>, value: () => number, x: Float64Array): void =>
  expectClose(gradient, differences(value, x), 1e-8);

/** Σ of f(i) for i from 0 to count - 1. */
export function total(count: number, f: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += f(i);
  }
  return sum;
}

export const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => total(x.length, (i) => at(x, i) * at(y, i));

/** A matrix of `columns` columns, row after row. */
export const table = (rows: number, columns: number, f: (row: number, column: number) => number): Float64Array =>
  Float64Array.from({ length: rows * columns }, (_, i) => f(Math.floor(i / columns), i % columns));

/** The project's own f64 reference of an op. */
export function referenceOf(
  name: string,
  inputs: readonly (readonly [Float64Array, Shape])[],
  attrs: Attrs,
): Float64Array[] {
  const op = opNamed(name);
  const site = siteOfCase(op, { inputs: inputs.map(([, shape]) => ({ shape })), attrs });
  return [
    ...op.reference(
      inputs.map(([data, shape]) => ({ data, shape })),
      site,
    ),
  ];
}
