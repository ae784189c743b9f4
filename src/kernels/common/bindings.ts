/** Bindings of a kernel, written shortly: `read('x', { input: 0 }, 4)`. */
import type { Binding, BufferRef } from '../../tensor/dispatch.ts';

export const read = (name: string, ref: BufferRef, vec: 1 | 4 = 1): Binding => ({ name, ref, access: 'read', vec });
export const write = (name: string, ref: BufferRef, vec: 1 | 4 = 1): Binding => ({ name, ref, access: 'write', vec });
