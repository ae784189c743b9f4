/** Compares values and gradients with those of a golden file. */
import { expect } from 'vitest';
import { cosine, nmse } from '../../commands/common/distances.ts';
import type { Values } from '../../commands/parity/golden.ts';

/** Checks the value by NMSE, and the gradient by direction and by NMSE. */
export function expectClose(actual: Values, { expected }: { readonly expected: Values }, bound = 1e-6): void {
  expect(actual.output.length).toBe(expected.output.length);
  expect(nmse(actual.output, expected.output)).toBeLessThan(bound);
  expect(cosine(actual.gradient, expected.gradient)).toBeGreaterThan(0.9999);
  expect(nmse(actual.gradient, expected.gradient)).toBeLessThan(bound);
}
