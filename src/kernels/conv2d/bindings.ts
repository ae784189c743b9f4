/** What kernels of convolution are told and given: sizes, operands, and what is added to the result. */
import type { Binding, Param } from '../../tensor/dispatch.ts';
import type { Epilogue, Sizes } from './sizes.ts';

/** What naive and the kernels of the weight's gradient are told: sizes as u32, padding as i32 because positions before it are negative. */
export function params(s: Sizes): Record<string, Param> {
  return { ...s, top: { i32: s.top }, left: { i32: s.left } };
}

/** Distances of neighbours in the kernel, which has `Cout` last or `Cin`. */
export const weightSteps = ({ cin, cout }: Sizes, outLast: boolean): { stepIn: number; stepOut: number } =>
  outLast ? { stepIn: cout, stepOut: 1 } : { stepIn: 1, stepOut: cin };

export const read = (name: string, input: number, vec: 1 | 4 = 1): Binding => ({
  name,
  ref: { input },
  access: 'read',
  vec,
});
export const write = (name: string, vec: 1 | 4 = 1): Binding => ({ name, ref: { output: 0 }, access: 'write', vec });

export const epilogueBindings = ({ bias, residual }: Epilogue, vec: 1 | 4): Binding[] => [
  ...(bias ? [read('bias', 2, vec)] : []),
  ...(residual ? [read('residual', bias ? 3 : 2, vec)] : []),
];
