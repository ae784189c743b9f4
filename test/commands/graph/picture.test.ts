/** The layout of the picture, and the tree of modules. */
import { describe, expect, it } from 'vitest';
import { layeredLayout } from '../../../commands/graph/picture/layered_layout.ts';
import { moduleKey, moduleTree, placeModules, type ShownNode } from '../../../commands/graph/picture/module_tree.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { at } from '../../../src/tensor/types.ts';

const node = (id: number, path: string, inputs: readonly number[], rest: Partial<ShownNode> = {}): ShownNode => ({
  id,
  path,
  label: `op${id}`,
  backward: false,
  recomputed: false,
  stage: 'step',
  kind: 'op',
  inputs: inputs.map((input) => `${input}.0`),
  outputs: ['f32[2]'],
  traced: [id],
  ...rest,
});

describe('layeredLayout', () => {
  const boxes = Array.from({ length: 60 }, (_, order) => ({ width: 40 + (order % 7) * 20, height: 30, order }));
  const random = fill({ shape: [120], fill: 'ids', below: 60 }, 7);
  const edges = Array.from({ length: 60 }, (_, i): [number, number] => {
    const [a, b] = [at(random, 2 * i), at(random, 2 * i + 1)];
    return [Math.min(a, b), Math.max(a, b)];
  }).filter(([from, to]) => from !== to);
  const { corners, width, height } = layeredLayout(boxes, edges, 600);

  it('puts each box below those that it reads', () => {
    for (const [from, to] of edges) {
      expect(at(at(corners, to), 1)).toBeGreaterThanOrEqual(at(at(corners, from), 1) + 30);
    }
  });

  it('lets no two boxes overlap, and keeps all within its size', () => {
    for (const [i, [x, y]] of corners.entries()) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x + at(boxes, i).width).toBeLessThanOrEqual(width);
      expect(y + 30).toBeLessThanOrEqual(height);
      for (const [j, [u, v]] of corners.entries()) {
        const apart = x + at(boxes, i).width <= u || u + at(boxes, j).width <= x || y + 30 <= v || v + 30 <= y;
        expect(i === j || apart).toBe(true);
      }
    }
    expect(width).toBeLessThanOrEqual(600);
  });

  it('sorts a row by the places in every line of the row above', () => {
    const six = Array.from({ length: 6 }, (_, order) => ({ width: 100, height: 10, order }));
    const placed = layeredLayout(
      six,
      [
        [1, 4],
        [0, 5],
      ],
      220,
    );
    const place = (i: number, axis: number): number => at(at(placed.corners, i), axis);
    expect(place(1, 1)).toBe(place(0, 1));
    expect(place(2, 1)).toBeGreaterThan(place(0, 1));
    expect(place(5, 0)).toBeLessThan(place(4, 0));
  });

  it('does without edges against the order, which folded modules have', () => {
    const two = [0, 1].map((order) => ({ width: 10, height: 10, order }));
    const placed = layeredLayout(
      two,
      [
        [0, 1],
        [1, 0],
      ],
      100,
    );
    expect(at(at(placed.corners, 1), 1)).toBeGreaterThan(at(at(placed.corners, 0), 1));
  });
});

describe('moduleTree and placeModules', () => {
  const nodes = [
    node(0, '', [], { kind: 'input' }),
    node(1, 'a.b', [0]),
    node(2, 'a.c', [1]),
    node(3, 'd', [2]),
    node(4, 'a.b', [3], { backward: true }),
  ];
  const tree = moduleTree(nodes);
  const place = (...open: string[]) => placeModules(tree, nodes, ({ key }) => open.includes(key), layeredLayout);

  it('separates forward and backward, and counts', () => {
    expect([...tree.modules.keys()]).toEqual(['forward', 'backward']);
    expect(tree.modules.get('forward')?.modules.get('a')?.count).toBe(2);
    expect(moduleKey(at(nodes, 4))).toBe('backward/a/b');
  });

  it('shows folded modules as one box each', () => {
    const { shapes, shownAt } = place('forward');
    expect(shapes.map(({ key }) => key)).toEqual(['forward', '#0', 'forward/a', 'forward/d', 'backward']);
    expect([...shownAt]).toEqual([
      [0, '#0'],
      [1, 'forward/a'],
      [2, 'forward/a'],
      [3, 'forward/d'],
      [4, 'backward'],
    ]);
  });

  it('draws an open module around what is in it', () => {
    const { shapes } = place('forward', 'forward/a', 'forward/a/b', 'forward/a/c');
    const shape = (key: string) =>
      at(
        shapes.filter((one) => one.key === key),
        0,
      );
    const [outer, inner] = [shape('forward/a'), shape('#1')];
    expect(outer.open).toBe(true);
    expect(inner.x).toBeGreaterThan(outer.x);
    expect(inner.y + inner.height).toBeLessThan(outer.y + outer.height);
    expect(shape('#2').y).toBeGreaterThan(inner.y);
  });
});
