/** Products that need no kernel. */
import { expect, it } from 'vitest';
import { broadcastTo, mul, sum } from '../../src/kernels/index.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { gradients } from '../../src/tensor/vjp.ts';

it('by ones is what it is, so that a gradient does not begin with one', () => {
  const graph = new Graph();
  const x = graph.input('x', [2, 3], 'step');
  const half = graph.input('h', [2, 3], 'step', 'f16');
  expect(mul(broadcastTo(graph.scalar(1), [2, 3]), x)).toBe(x);
  expect(mul(broadcastTo(graph.scalar(2), [2, 3]), x).node.op?.name).toBe('mul');
  // Shape and dtype stay those of the product.
  expect(mul(x, graph.constant([1, 1], [2, 1, 1])).shape).toEqual([2, 2, 3]);
  expect(mul(broadcastTo(graph.scalar(1), [2, 3]), half).dtype).toBe('f32');
  const y = graph.input('y', [2, 3], 'step');
  expect(gradients(sum(mul(x, y)), [x])).toEqual([y]);
});
