/** Shapes that the GroupNorm ops are tested on. */
import type { OpCase } from '../../tensor/op_case.ts';
import type { BackwardAttrs, GroupNormAttrs } from './shapes.ts';

export const FORWARD_CASES: readonly OpCase<GroupNormAttrs>[] = [
  {
    name: 'odd',
    inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
    attrs: { groups: 2, eps: 1e-5, silu: false },
  },
  {
    name: 'silu',
    inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
    attrs: { groups: 3, eps: 1e-5, silu: true },
  },
  {
    name: 'vec4',
    inputs: [{ shape: [2, 3, 3, 8] }, { shape: [8] }, { shape: [8] }],
    attrs: { groups: 2, eps: 1e-6, silu: true },
  },
  {
    name: 'vec4 across groups',
    inputs: [{ shape: [1, 3, 3, 12] }, { shape: [12] }, { shape: [12] }],
    attrs: { groups: 6, eps: 1e-6, silu: false },
  },
  {
    name: 'chunks',
    inputs: [{ shape: [1, 9, 9, 4] }, { shape: [4] }, { shape: [4] }],
    attrs: { groups: 1, eps: 1e-6, silu: true },
  },
  {
    name: 'several chunks and parts',
    inputs: [{ shape: [2, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
    attrs: { groups: 2, eps: 1e-6, silu: true },
    grad: [], // finite differences of thousands of inputs; smaller cases take them
  },
  {
    name: 'several parts across groups',
    inputs: [{ shape: [1, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
    attrs: { groups: 16, eps: 1e-6, silu: false },
    grad: [],
  },
  {
    name: 'tokens',
    inputs: [{ shape: [2, 5, 4] }, { shape: [4] }, { shape: [4] }],
    attrs: { groups: 4, eps: 1e-6, silu: false },
  },
  {
    name: 'f16 weights',
    inputs: [{ shape: [1, 3, 2, 8] }, { shape: [8], dtype: 'f16' }, { shape: [8], dtype: 'f16' }],
    attrs: { groups: 2, eps: 1e-5, silu: true },
  },
  {
    name: 'f16',
    inputs: [{ shape: [1, 3, 2, 8], dtype: 'f16' }, { shape: [8] }, { shape: [8] }],
    attrs: { groups: 2, eps: 1e-5, silu: true },
  },
];

export const BACKWARD_CASES: readonly OpCase<BackwardAttrs>[] = [false, true].flatMap((silu) => [
  {
    name: `odd${silu ? ', silu' : ''}`,
    inputs: [{ shape: [2, 3, 5, 6] }, { shape: [2, 2, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 3, 5, 6] }],
    attrs: { silu },
  },
  {
    name: `vec4, chunks${silu ? ', silu' : ''}`,
    inputs: [{ shape: [1, 9, 9, 8] }, { shape: [1, 2, 2] }, { shape: [8] }, { shape: [8] }, { shape: [1, 9, 9, 8] }],
    attrs: { silu },
  },
  {
    name: `several chunks and parts${silu ? ', silu' : ', across groups'}`,
    inputs: [
      { shape: [1, 35, 33, 32] },
      { shape: [1, silu ? 2 : 16, 2] },
      { shape: [32] },
      { shape: [32] },
      { shape: [1, 35, 33, 32] },
    ],
    attrs: { silu },
    grad: [], // finite differences of thousands of inputs; smaller cases take them
  },
]);

export const GAIN_CASES: readonly OpCase<BackwardAttrs>[] = [false, true].map((silu) => ({
  name: silu ? 'silu' : 'plain',
  inputs: [{ shape: [2, 7, 5, 6] }, { shape: [2, 3, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 7, 5, 6] }],
  attrs: { silu },
}));
