/** The heavy kernels at SD-Turbo's shapes, as graphs of this engine and as data for python/selftest_torch.py. */
import { attention, conv2d, matmul, mul, sum } from '../../src/kernels/index.ts';
import { Graph } from '../../src/tensor/graph.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { DType, Shape } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';

/** One computation; images are [N,H,W,C] here, convolutions 3×3 with padding 1. */
export type KernelRow =
  | { readonly kind: 'matmul'; readonly m: number; readonly k: number; readonly n: number }
  | {
      readonly kind: 'conv2d' | 'conv2d_backward_input';
      readonly size: number;
      readonly cin: number;
      readonly cout: number;
    }
  | {
      readonly kind: 'attention' | 'attention_gradient';
      readonly heads: number;
      readonly tokens: number;
      readonly width: number;
    };

const convolutions = (size: number, cin: number, cout: number): KernelRow[] => [
  { kind: 'conv2d', size, cin, cout },
  { kind: 'conv2d_backward_input', size, cin, cout },
];
const attentions = (heads: number, tokens: number, width: number): KernelRow[] => [
  { kind: 'attention', heads, tokens, width },
  { kind: 'attention_gradient', heads, tokens, width },
];

/** Products of the UNet's levels and one large square, the UNet's and the decoder's convolutions, the UNet's attention. */
export const KERNEL_SHAPES: readonly KernelRow[] = [
  { kind: 'matmul', m: 4096, k: 4096, n: 4096 },
  { kind: 'matmul', m: 4096, k: 320, n: 2560 },
  { kind: 'matmul', m: 1024, k: 640, n: 5120 },
  ...convolutions(64, 320, 320),
  ...convolutions(256, 256, 256),
  ...convolutions(512, 128, 128),
  ...attentions(5, 4096, 64),
  ...attentions(10, 1024, 64),
];

/** The same kinds, small, for software drivers. */
export const QUICK_SHAPES: readonly KernelRow[] = [
  { kind: 'matmul', m: 512, k: 320, n: 640 },
  ...convolutions(32, 64, 64),
  ...attentions(2, 512, 64),
];

export function nameOf(row: KernelRow): string {
  switch (row.kind) {
    case 'matmul':
      return `matmul ${row.m}x${row.k}x${row.n}`;
    case 'conv2d':
      return `conv 3x3 ${row.size}², ${row.cin} to ${row.cout}`;
    case 'conv2d_backward_input':
      return `conv 3x3 ${row.size}², ${row.cin} to ${row.cout}, gradient of the input`;
    case 'attention':
      return `attention ${row.heads}x${row.tokens}x${row.width}`;
    case 'attention_gradient':
      return `attention ${row.heads}x${row.tokens}x${row.width}, forward and gradient`;
  }
}

/** Operations of the computation itself, whatever a kernel computes again. */
export function flopsOf(row: KernelRow): number {
  switch (row.kind) {
    case 'matmul':
      return 2 * row.m * row.k * row.n;
    case 'conv2d':
    case 'conv2d_backward_input':
      return 2 * 9 * row.size ** 2 * row.cin * row.cout;
    case 'attention':
      return 4 * row.heads * row.tokens ** 2 * row.width;
    case 'attention_gradient':
      // Two products forward and five backward: scores are made again.
      return 14 * row.heads * row.tokens ** 2 * row.width;
  }
}

/** The row as outputs of a graph with inputs of this type; weights belong to the load stage. */
export function graphOf(row: KernelRow, dtype: DType): { graph: Graph; outputs: Record<string, Tensor> } {
  const graph = new Graph();
  const input = (name: string, shape: Shape): Tensor => graph.input(name, shape, 'step', dtype);
  const weight = (shape: Shape): Tensor => graph.input('w', shape, 'load', dtype);
  switch (row.kind) {
    case 'matmul':
      return { graph, outputs: { y: matmul(input('a', [row.m, row.k]), weight([row.k, row.n])) } };
    case 'conv2d':
    case 'conv2d_backward_input': {
      const { size, cin, cout } = row;
      const x = input('x', [1, size, size, cin]);
      const y = conv2d(x, weight([cout, cin, 3, 3]), null, { padding: 1 });
      if (row.kind === 'conv2d') {
        return { graph, outputs: { y } };
      }
      const [dx] = gradients(sum(mul(y, input('dy', y.shape))), [x]);
      return { graph, outputs: { dx } };
    }
    case 'attention':
    case 'attention_gradient': {
      const shape = [1, row.tokens, row.heads * row.width];
      const [q, k, v] = [input('q', shape), input('k', shape), input('v', shape)];
      const y = attention(q, k, v, { heads: row.heads });
      if (row.kind === 'attention') {
        return { graph, outputs: { y } };
      }
      const [dq, dk, dv] = gradients(sum(mul(y, input('dy', y.shape))), [q, k, v]);
      return { graph, outputs: { y, dq, dk, dv } };
    }
  }
}
