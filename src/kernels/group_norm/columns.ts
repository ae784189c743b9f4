/**
 * GroupNorm for CPU drivers, where each load and store costs alike wherever it goes: an invocation walks four channels
 * down a chunk of pixels with their coefficients in registers, so x is read twice and nothing else more than once.
 */
import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import { perElement } from '../common/grid.ts';
import { APPLY, BACKWARD_APPLY, BACKWARD_COMBINE, BACKWARD_SUMS, COMBINE, STATISTICS } from './columns_wgsl.ts';
import type { Extent } from './extent.ts';

export interface Columns {
  readonly label: string;
  readonly extent: Extent;
  /** WGSL of the activation. */
  readonly activation: string;
}

/** Pixels of a chunk: few, so that small images still spread over the cores; more where there are plenty. */
const lengthOf = (pixels: number): number => Math.min(pixels, Math.max(64, Math.ceil(pixels / 256)));

function passes(
  { label, extent, activation }: Columns,
  eps: number,
  parts: readonly { name: string; code: string; each: 'column' | 'group'; bindings: readonly Binding[] }[],
): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = extent;
  const length = lengthOf(pixels);
  const chunks = Math.ceil(pixels / length);
  const columns = channels / 4;
  return parts.map(({ name, code, each, bindings }) =>
    perElement({
      label: `${label}.${name}`,
      code: (each === 'column' ? activation : '') + code,
      size: each === 'column' ? images * chunks * columns : images * groups,
      constants: { T: 'vec4<f32>' },
      params: {
        pixels,
        columns,
        groups,
        per_group: perGroup,
        length,
        chunks,
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: eps },
      },
      bindings,
      workgroup: 16,
    }),
  );
}

const partialOf = ({ images, pixels, channels }: Extent): BufferRef => ({
  scratch: 0,
  type: { dtype: 'f32', shape: [images, Math.ceil(pixels / lengthOf(pixels)), channels / 4, 2, 4] },
});

const input = (name: string, index: number, vec: 1 | 4): Binding => ({
  name,
  ref: { input: index },
  access: 'read',
  vec,
});

/** x, gamma, beta → y, stats. */
export function forwardByColumns(columns: Columns, eps: number): Dispatch[] {
  const partial = partialOf(columns.extent);
  const x = input('x', 0, 4);
  return passes(columns, eps, [
    {
      name: 'sums',
      code: STATISTICS,
      each: 'column',
      bindings: [x, { name: 'partial', ref: partial, access: 'write', vec: 4 }],
    },
    {
      name: 'combine',
      code: COMBINE,
      each: 'group',
      bindings: [
        { name: 'partial', ref: partial, access: 'read' },
        { name: 'stats', ref: { output: 1 }, access: 'write' },
      ],
    },
    {
      name: 'apply',
      code: APPLY,
      each: 'column',
      bindings: [
        x,
        input('gamma', 1, 4),
        input('beta', 2, 4),
        { name: 'stats', ref: { output: 1 }, access: 'read' },
        { name: 'y', ref: { output: 0 }, access: 'write', vec: 4 },
      ],
    },
  ]);
}

/** x, stats, gamma, beta, dy → dx. */
export function backwardByColumns(columns: Columns): Dispatch[] {
  const { extent } = columns;
  const partial = partialOf(extent);
  const means: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: [extent.images, extent.groups, 2] } };
  const given = [input('x', 0, 4), input('stats', 1, 1), input('gamma', 2, 4), input('beta', 3, 4), input('dy', 4, 4)];
  return passes(columns, 0, [
    {
      name: 'sums',
      code: BACKWARD_SUMS,
      each: 'column',
      bindings: [...given, { name: 'partial', ref: partial, access: 'write', vec: 4 }],
    },
    {
      name: 'combine',
      code: BACKWARD_COMBINE,
      each: 'group',
      bindings: [
        { name: 'partial', ref: partial, access: 'read' },
        { name: 'means', ref: means, access: 'write' },
      ],
    },
    {
      name: 'apply',
      code: BACKWARD_APPLY,
      each: 'column',
      bindings: [
        ...given,
        { name: 'means', ref: means, access: 'read' },
        { name: 'dx', ref: { output: 0 }, access: 'write', vec: 4 },
      ],
    },
  ]);
}
