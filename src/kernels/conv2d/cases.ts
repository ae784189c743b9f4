/** Test cases of convolution and its gradients. */
import type { OpCase } from '../../tensor/op_case.ts';
import type { Shape } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, Geometry, Padding } from './shapes.ts';
import { outShape, plain, sizesOf } from './shapes.ts';

const geometry = (stride: number, padding: Padding): Geometry => ({ stride, padding });
interface TestGeometry {
  readonly name: string;
  readonly x: Shape;
  readonly kernel: readonly [number, number];
  readonly cout: number;
  readonly g: Geometry;
  /** Too many inputs for finite differences: the smaller cases check the gradients. */
  readonly big?: true;
}

/** Errors of f32 arithmetic, which f32 operands on matrix units must keep to. */
const AS_F32 = 1e-12;

const gradOf = ({ big }: Pick<TestGeometry, 'big'>): { grad?: readonly number[] } => (big ? { grad: [] } : {});

/** Geometries that all three ops are tested on: x, [KH,KW], Cout. */
const GEOMETRIES: readonly TestGeometry[] = [
  { name: '3x3', x: [1, 5, 6, 8], kernel: [3, 3], cout: 12, g: geometry(1, [1, 1, 1, 1]) },
  { name: '3x3 two images, odd', x: [2, 4, 5, 3], kernel: [3, 3], cout: 5, g: geometry(1, [1, 1, 1, 1]) },
  { name: 'stride 2', x: [1, 6, 6, 4], kernel: [3, 3], cout: 8, g: geometry(2, [1, 1, 1, 1]) },
  {
    name: 'stride 2, padded below and right',
    x: [1, 6, 8, 4],
    kernel: [3, 3],
    cout: 4,
    g: geometry(2, [0, 1, 0, 1]),
  },
  { name: '1x1 stride 2', x: [1, 5, 5, 4], kernel: [1, 1], cout: 4, g: geometry(2, [0, 0, 0, 0]) },
  { name: 'patches', x: [1, 8, 8, 3], kernel: [4, 4], cout: 16, g: geometry(4, [0, 0, 0, 0]) },
  { name: 'twice as large', x: [1, 8, 10, 8], kernel: [4, 4], cout: 4, g: geometry(2, [1, 1, 1, 1]) },
  { name: 'no padding, 2x3', x: [1, 5, 7, 4], kernel: [2, 3], cout: 4, g: geometry(1, [0, 0, 0, 0]) },
  { name: 'past the tiles', x: [1, 9, 8, 24], kernel: [3, 3], cout: 72, g: geometry(1, [1, 1, 1, 1]), big: true },
  { name: 'odd input channels, stride 2', x: [1, 7, 9, 5], kernel: [3, 3], cout: 8, g: geometry(2, [1, 1, 1, 1]) },
  { name: 'many workgroups', x: [1, 161, 154, 4], kernel: [2, 1], cout: 4, g: geometry(1, [0, 0, 0, 0]), big: true },
  {
    name: 'past the wide tiles',
    x: [1, 23, 25, 36],
    kernel: [3, 3],
    cout: 100,
    g: geometry(1, [1, 1, 1, 1]),
    big: true,
  },
  { name: 'wider than the pixel block', x: [1, 3, 19, 4], kernel: [3, 3], cout: 20, g: geometry(1, [1, 1, 1, 1]) },
];

export const FORWARD_CASES: readonly OpCase<Conv2dAttrs>[] = [
  ...GEOMETRIES.map(
    ({ name, x, kernel, cout, g, ...size }): OpCase<Conv2dAttrs> => ({
      name,
      ...gradOf(size),
      inputs: [{ shape: x }, { shape: [...kernel, at(x, 3), cout] }],
      attrs: { ...g, ...plain },
    }),
  ),
  {
    name: 'bias and residual, f16 weights',
    inputs: [
      { shape: [1, 4, 4, 8] },
      { shape: [3, 3, 8, 12], dtype: 'f16' },
      { shape: [12], dtype: 'f16' },
      { shape: [1, 4, 4, 12] },
    ],
    attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: true },
  },
  {
    name: 'transposed weight, stride 2, f16 weights',
    inputs: [{ shape: [1, 6, 5, 8] }, { shape: [3, 3, 12, 8], dtype: 'f16' }, { shape: [12] }],
    attrs: { ...geometry(2, [1, 1, 1, 1]), bias: true, residual: false, transposeWeight: true },
  },
  {
    name: 'all f16, weight as declared, fewer channels than a step of a tile',
    inputs: [
      { shape: [1, 9, 11, 12], dtype: 'f16' },
      { shape: [3, 3, 12, 20], dtype: 'f16' },
      { shape: [20], dtype: 'f16' },
    ],
    attrs: { stride: 1, padding: [1, 1, 1, 1], bias: true, residual: false },
    grad: [],
  },
  {
    name: 'transposed weight, past the wide tiles, f16, bias, residual',
    inputs: [
      { shape: [2, 23, 22, 36], dtype: 'f16' },
      { shape: [3, 3, 68, 36], dtype: 'f16' },
      { shape: [68] },
      { shape: [2, 23, 22, 68] },
    ],
    attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: true, transposeWeight: true },
    grad: [],
  },
  {
    name: 'transposed weight, past the wide tiles, stride 2, f16, bias, residual',
    inputs: [
      { shape: [2, 15, 13, 12], dtype: 'f16' },
      { shape: [3, 3, 44, 12], dtype: 'f16' },
      { shape: [44] },
      { shape: [2, 8, 7, 44] },
    ],
    attrs: { ...geometry(2, [1, 1, 1, 1]), bias: true, residual: true, transposeWeight: true },
    grad: [],
  },
  {
    name: 'transposed weight, odd channels',
    inputs: [{ shape: [1, 4, 5, 3] }, { shape: [3, 2, 5, 3] }],
    attrs: { ...geometry(1, [1, 1, 1, 1]), ...plain, transposeWeight: true },
  },
  {
    name: 'transposed weight, past the tiles, odd input channels',
    inputs: [{ shape: [1, 9, 8, 19] }, { shape: [3, 3, 72, 19] }],
    attrs: { ...geometry(1, [1, 1, 1, 1]), ...plain, transposeWeight: true },
    grad: [],
  },
  {
    name: 'operands from 1e-6 to 1e6',
    inputs: [
      { shape: [1, 9, 8, 20], fill: 'rising' },
      { shape: [3, 3, 20, 36], fill: 'rising' },
    ],
    attrs: { ...geometry(1, [1, 1, 1, 1]), ...plain },
    grad: [],
    nmse: AS_F32,
  },
  {
    name: 'bias, few channels',
    inputs: [{ shape: [1, 4, 5, 4] }, { shape: [3, 3, 4, 3] }, { shape: [3] }],
    attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: false },
  },
  {
    name: 'all f16, so many pixels that matrix units take tiles of 128x128',
    inputs: [
      { shape: [2, 132, 128, 4], dtype: 'f16' },
      { shape: [1, 1, 4, 128], dtype: 'f16' },
    ],
    attrs: { ...geometry(1, [0, 0, 0, 0]), ...plain },
    grad: [],
  },
];

export const BACKWARD_INPUT_CASES: readonly OpCase<BackwardInputAttrs>[] = [
  ...GEOMETRIES.map(({ name, x, kernel, cout, g, ...size }): OpCase<BackwardInputAttrs> => {
    const s = sizesOf(x, kernel, cout, g);
    return {
      name,
      ...gradOf(size),
      inputs: [{ shape: outShape(s) }, { shape: [...kernel, cout, at(x, 3)] }],
      attrs: { ...g, height: s.height, width: s.width },
    };
  }),
  {
    name: 'transposed weight, stride 2, f16 weights',
    inputs: [{ shape: [1, 3, 3, 8] }, { shape: [3, 3, 12, 8], dtype: 'f16' }],
    attrs: { ...geometry(2, [1, 1, 1, 1]), height: 6, width: 5, transposeWeight: true },
  },
  {
    name: 'transposed weight, past the wide tiles, uneven padding, f16',
    inputs: [
      { shape: [2, 22, 22, 68], dtype: 'f16' },
      { shape: [3, 3, 36, 68], dtype: 'f16' },
    ],
    attrs: { ...geometry(1, [1, 0, 0, 2]), height: 23, width: 22, transposeWeight: true },
    grad: [],
  },
  {
    name: 'all f16, weight as declared, four phases',
    inputs: [
      { shape: [1, 5, 6, 40], dtype: 'f16' },
      { shape: [3, 3, 40, 12], dtype: 'f16' },
    ],
    attrs: { stride: 2, padding: [1, 1, 1, 1], height: 10, width: 12 },
    grad: [],
  },
  {
    name: 'transposed weight, past the wide tiles, stride 2, f16',
    inputs: [
      { shape: [2, 8, 7, 44], dtype: 'f16' },
      { shape: [3, 3, 12, 44], dtype: 'f16' },
    ],
    attrs: { ...geometry(2, [1, 1, 1, 1]), height: 15, width: 13, transposeWeight: true },
    grad: [],
  },
  {
    name: 'transposed weight, odd channels',
    inputs: [{ shape: [1, 4, 6, 5] }, { shape: [3, 2, 3, 5] }],
    attrs: { ...geometry(1, [1, 1, 1, 1]), height: 4, width: 5, transposeWeight: true },
  },
  {
    name: 'operands from 1e-6 to 1e6, transposed weight, stride 2',
    inputs: [
      { shape: [1, 5, 4, 20], fill: 'rising' },
      { shape: [3, 3, 36, 20], fill: 'rising' },
    ],
    attrs: { ...geometry(2, [1, 1, 1, 1]), height: 9, width: 8, transposeWeight: true },
    grad: [],
    nmse: AS_F32,
  },
  {
    name: 'f16 weights',
    inputs: [{ shape: [1, 3, 4, 8] }, { shape: [3, 3, 8, 4], dtype: 'f16' }],
    attrs: { ...geometry(1, [1, 1, 1, 1]), height: 3, width: 4 },
  },
];

export const BACKWARD_WEIGHT_CASES: readonly OpCase<BackwardWeightAttrs>[] = [
  ...GEOMETRIES.map(({ name, x, kernel, cout, g, ...size }): OpCase<BackwardWeightAttrs> => {
    const s = sizesOf(x, kernel, cout, g);
    const inputs = [{ shape: x }, { shape: outShape(s) }];
    return { name, inputs, ...gradOf(size), attrs: { ...g, kh: s.kh, kw: s.kw } };
  }),
  {
    name: 'f16 images',
    inputs: [
      { shape: [1, 3, 4, 8], dtype: 'f16' },
      { shape: [1, 3, 4, 4], dtype: 'f16' },
    ],
    attrs: { ...geometry(1, [1, 1, 1, 1]), kh: 3, kw: 3 },
  },
];
