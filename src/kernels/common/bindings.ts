/** Bindings of a dispatch in few words: `read('x', 0, 4)` is input 0 in vec4s, `write('y', 0)` is output 0. */
import type { Binding, BufferRef } from '../../tensor/dispatch.ts';

/** @param from the number of an input, or another buffer, such as scratch */
export const read = (name: string, from: number | BufferRef, vec: 1 | 4 = 1): Binding => ({
  name,
  ref: typeof from === 'number' ? { input: from } : from,
  access: 'read',
  vec,
});

/** @param to the number of an output, or another buffer, such as scratch */
export const write = (name: string, to: number | BufferRef, vec: 1 | 4 = 1): Binding => ({
  name,
  ref: typeof to === 'number' ? { output: to } : to,
  access: 'write',
  vec,
});
