/** What a kernel of GroupNorm reads and writes, whatever its T. */
import type { Binding } from '../../tensor/dispatch.ts';

/** A binding; `wide`: read in T. */
export interface Operand extends Pick<Binding, 'name' | 'ref' | 'access'> {
  readonly wide: boolean;
}

/** For a kernel whose T has `vec` elements. */
export const bind = (operands: readonly Operand[], vec: 1 | 4): Binding[] =>
  operands.map(({ wide, ...operand }) => ({ ...operand, vec: wide ? vec : 1 }));

export const given = (name: string, input: number, wide = true): Operand => ({
  name,
  ref: { input },
  access: 'read',
  wide,
});
export const made = (name: string, output: number, wide = true): Operand => ({
  name,
  ref: { output },
  access: 'write',
  wide,
});
