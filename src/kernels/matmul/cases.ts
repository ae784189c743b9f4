/** Test cases of the matrix product. */
import type { OpCase } from '../../tensor/op_case.ts';
import type { MatmulAttrs } from './problem.ts';

/** Errors of f32 arithmetic, which f32 operands on matrix units must keep to. */
const AS_F32 = 1e-12;

const PLAIN: MatmulAttrs = { bias: false, residual: false };

export const CASES: readonly OpCase<MatmulAttrs>[] = [
  { name: 'multiples of 4', inputs: [{ shape: [20, 24] }, { shape: [24, 36] }], attrs: PLAIN },
  {
    name: 'past the tiles',
    inputs: [{ shape: [67, 19] }, { shape: [19, 72] }, { shape: [72] }],
    attrs: { bias: true, residual: false },
    grad: [], // finite differences of thousands of inputs; smaller cases take them
  },
  {
    name: 'past the wide tiles, batched, a bias for each product, residual',
    inputs: [{ shape: [2, 43, 20] }, { shape: [2, 20, 68] }, { shape: [2, 68] }, { shape: [2, 43, 68] }],
    attrs: { bias: true, residual: true },
    grad: [],
  },
  {
    name: 'past the wide tiles, transposed b, f16',
    inputs: [{ shape: [45, 36], dtype: 'f16' }, { shape: [76, 36], dtype: 'f16' }, { shape: [76] }],
    attrs: { bias: true, residual: false, transposeB: true },
    grad: [],
  },
  {
    name: 'past the panels, epilogue',
    inputs: [{ shape: [609, 68] }, { shape: [68, 612] }, { shape: [612] }, { shape: [609, 612] }],
    attrs: { bias: true, residual: true },
    grad: [],
  },
  {
    name: 'past the panels, transposed b, f16',
    inputs: [
      { shape: [611, 68], dtype: 'f16' },
      { shape: [620, 68], dtype: 'f16' },
    ],
    attrs: { ...PLAIN, transposeB: true },
    grad: [],
  },
  { name: 'odd sizes', inputs: [{ shape: [5, 7] }, { shape: [7, 3] }], attrs: PLAIN },
  { name: 'row of one', inputs: [{ shape: [1, 12] }, { shape: [12, 8] }], attrs: PLAIN },
  {
    name: 'batch folded into rows, epilogue',
    inputs: [{ shape: [2, 3, 8] }, { shape: [8, 12] }, { shape: [12] }, { shape: [2, 3, 12] }],
    attrs: { bias: true, residual: true },
  },
  {
    name: 'residual, odd',
    inputs: [{ shape: [9, 5] }, { shape: [5, 6] }, { shape: [9, 6] }],
    attrs: { bias: false, residual: true },
  },
  { name: 'batched', inputs: [{ shape: [3, 4, 8] }, { shape: [3, 8, 4] }], attrs: PLAIN },
  {
    name: 'batched, many workgroups',
    inputs: [{ shape: [96, 130, 20] }, { shape: [96, 20, 4] }],
    attrs: PLAIN,
    grad: [],
  },
  { name: 'shared a', inputs: [{ shape: [4, 8] }, { shape: [2, 8, 12] }], attrs: PLAIN },
  {
    name: 'batched, odd',
    inputs: [{ shape: [2, 2, 3, 5] }, { shape: [2, 2, 5, 7] }, { shape: [7] }],
    attrs: { bias: true, residual: false },
  },
  {
    name: 'a bias for each product',
    inputs: [{ shape: [2, 5, 6] }, { shape: [2, 6, 8] }, { shape: [2, 8] }],
    attrs: { bias: true, residual: false },
  },
  {
    name: 'a bias for each product, residual, odd',
    inputs: [{ shape: [4, 3, 5] }, { shape: [4, 5, 7] }, { shape: [4, 7] }, { shape: [4, 3, 7] }],
    attrs: { bias: true, residual: true },
  },
  {
    name: 'a bias for each product, in f16, shared a',
    inputs: [{ shape: [9, 4] }, { shape: [3, 4, 12], dtype: 'f16' }, { shape: [3, 12], dtype: 'f16' }],
    attrs: { bias: true, residual: false },
  },
  {
    name: 'all f16, past the tiles',
    inputs: [
      { shape: [67, 40], dtype: 'f16' },
      { shape: [40, 72], dtype: 'f16' },
      { shape: [72], dtype: 'f16' },
    ],
    attrs: { bias: true, residual: false },
    grad: [],
  },
  {
    name: 'all f16, so many steps that a sum in f16 would be out of bounds',
    inputs: [
      { shape: [20, 1037], dtype: 'f16' },
      { shape: [1037, 12], dtype: 'f16' },
    ],
    attrs: PLAIN,
    grad: [],
  },
  {
    name: 'all f16, batched, b transposed, odd k',
    inputs: [
      { shape: [2, 5, 35], dtype: 'f16' },
      { shape: [2, 12, 35], dtype: 'f16' },
      { shape: [2, 5, 12], dtype: 'f16' },
    ],
    attrs: { bias: false, residual: true, transposeB: true },
    grad: [],
  },
  {
    name: 'f16 weight',
    inputs: [{ shape: [6, 16] }, { shape: [16, 20], dtype: 'f16' }, { shape: [20], dtype: 'f16' }],
    attrs: { bias: true, residual: false },
  },
  { name: 'b transposed', inputs: [{ shape: [9, 12] }, { shape: [8, 12] }], attrs: { ...PLAIN, transposeB: true } },
  {
    name: 'b transposed, past the tiles',
    inputs: [{ shape: [67, 20] }, { shape: [76, 20], dtype: 'f16' }, { shape: [76] }],
    attrs: { bias: true, residual: false, transposeB: true },
    grad: [],
  },
  {
    name: 'b transposed, odd',
    inputs: [{ shape: [2, 3, 5] }, { shape: [7, 5] }, { shape: [7] }, { shape: [2, 3, 7] }],
    attrs: { bias: true, residual: true, transposeB: true },
  },
  {
    name: 'b transposed, K odd',
    inputs: [{ shape: [6, 7] }, { shape: [8, 7] }],
    attrs: { ...PLAIN, transposeB: true },
  },
  {
    name: 'b transposed, batched',
    inputs: [{ shape: [3, 4, 8] }, { shape: [3, 4, 8] }],
    attrs: { ...PLAIN, transposeB: true },
  },
  { name: 'f16 weight, odd', inputs: [{ shape: [3, 9] }, { shape: [9, 5], dtype: 'f16' }], attrs: PLAIN },
  ...[false, true].map((transposeB): OpCase<MatmulAttrs> => {
    const b = transposeB ? [72, 84] : [84, 72];
    return {
      name: `operands from 1e-6 to 1e6${transposeB ? ', b transposed' : ''}`,
      inputs: [
        { shape: [70, 84], fill: 'rising' },
        { shape: b, fill: 'rising' },
      ],
      attrs: { ...PLAIN, transposeB },
      grad: [],
      nmse: AS_F32,
    };
  }),
  {
    name: 'operands beyond f16 and near zero',
    inputs: [
      { shape: [2, 40, 36], scale: 1e6 },
      { shape: [2, 36, 40], scale: 1e-9 },
    ],
    attrs: PLAIN,
    grad: [],
    nmse: AS_F32,
  },
  ...[128, 64].map((n): OpCase<MatmulAttrs> => {
    const inputs = [
      { shape: [264, 5, 36], dtype: 'f16' as const },
      { shape: [264, 36, n], dtype: 'f16' as const },
    ];
    return {
      name: `all f16, so many products that matrix units take tiles of 128x${n}`,
      inputs,
      attrs: PLAIN,
      grad: [],
    };
  }),
];
