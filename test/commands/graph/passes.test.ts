/** The passes of a small graph that is known by heart, and a tensor that is followed through them. */
import { describe, expect, it } from 'vitest';
import { follow, tensorKey } from '../../../commands/graph/follow.ts';
import { describeFollowed, describePass, passRow } from '../../../commands/graph/pass_text.ts';
import { collectPasses, type Pass } from '../../../commands/graph/passes.ts';
import { GPU_CAPS } from '../../../src/cli/plan/planned_run.ts';
import { add, linear, mean, mul, silu } from '../../../src/kernels/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { peakBytes } from '../../../src/tensor/schedule/budget.ts';
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

/** y = x + silu(x·w), its mean and the mean's gradient. */
function network() {
  const graph = new Graph();
  const x = graph.input('x', [8, 16], 'step');
  const w = graph.input('w', [16, 16], 'load');
  const product = graph.scope('block.0', () => linear(x, w));
  const active = graph.scope('block.0.act', () => silu(product));
  const y = graph.scope('block.1', () => add(active, x));
  const loss = graph.scope('loss', () => mean(mul(y, y)));
  const [dx] = gradients(loss, [x]);
  return { product, active, outputs: { y, loss, dx } };
}

const { product, active, outputs } = network();
const passes = collectPasses({ outputs }, GPU_CAPS);
const named = (name: Pass['name']): Pass =>
  at(
    passes.filter((pass) => pass.name === name),
    0,
  );
const first = at(passes, 0);

describe('collectPasses', () => {
  it('gives the passes that run, in order', () => {
    expect(passes.map(({ name }) => name)).toEqual([
      'trace',
      'norm_gradients',
      'pairs',
      'elementwise',
      'stores',
      'schedule',
    ]);
  });

  it('says into which node each other was fused, and names it by what it computes', () => {
    const { into, nodes } = named('stores');
    // The sum's node keeps its id; the product and silu are in it now.
    const sum = outputs.y.node.id;
    expect(into.get(product.node.id)).toBe(sum);
    const fused = nodes.find(({ id }) => id === sum);
    expect(fused?.label).toBe('matmul+silu+add');
    expect(fused?.traced).toEqual([product.node.id, active.node.id, sum].sort((a, b) => a - b));
    expect(named('elementwise').into.get(active.node.id)).toBe(sum);
  });

  it('loses no node: each traced node is computed by one node of the schedule, or named as removed', () => {
    const last = named('schedule');
    const computed = new Set(last.nodes.flatMap(({ traced }) => traced));
    const removed = new Set(passes.flatMap((pass) => pass.removed));
    const lost = first.nodes.filter(({ id }) => !computed.has(id) && !removed.has(id));
    expect(lost.map(({ id, label }) => `${id} ${label}`)).toEqual([]);
  });

  it('follows the keys of values that a fused node stores beside its own', () => {
    // The backward pass reads the product, so the fused kernel stores it too.
    const key = `${product.node.id}.0`;
    const moved = named('stores').moved.get(key);
    expect(moved).toBe(`${outputs.y.node.id}.1`);
    const [life] = named('schedule').live.get(moved ?? '') ?? [];
    expect(life).toMatchObject({ kind: 'saved', bytes: 8 * 16 * 4 });
    expect(life && life.to > life.from).toBe(true);
  });

  it('knows recomputed nodes as copies', () => {
    const graph = new Graph();
    const x = graph.input('x', [64, 1024], 'step');
    let h = x;
    for (let i = 0; i < 8; i++) {
      h = graph.scope(`block.${i}`, () => silu(mul(h, x)));
    }
    const loss = mean(mul(h, h));
    const [dx] = gradients(loss, [x]);
    const free = collectPasses({ outputs: { dx } }, GPU_CAPS).at(-1);
    const budget = peakBytes(createSchedule({ outputs: { dx } }, GPU_CAPS)) - 2 ** 18;
    const tight = collectPasses({ outputs: { dx }, budget }, GPU_CAPS);
    const { added, nodes } = at(tight, tight.length - 1);
    expect(free?.added).toEqual([]);
    const copies = nodes.filter(({ recomputed }) => recomputed);
    expect(copies.length).toBeGreaterThan(0);
    expect(copies.map(({ id }) => id)).toEqual(added);
    for (const { traced } of copies) {
      expect(nodes.some((node) => !node.recomputed && node.traced.join() === traced.join())).toBe(true);
    }
    expect(tight.map(({ name }) => name)).toContain('layouts');
  });
});

describe('follow', () => {
  it('says who makes a tensor, who reads it, and where it went', () => {
    const steps = follow(passes, `${product.node.id}.0`);
    expect(steps[0]?.maker?.label).toBe('matmul');
    expect(steps[0]?.forward.map(({ label }) => label)).toEqual(['silu']);
    expect(steps[0]?.backward.map(({ label }) => label)).toEqual(['silu_backward']);
    const last = steps.at(-1);
    expect(last?.key).toBe(`${outputs.y.node.id}.1`);
    expect(last?.forward).toEqual([]);
    expect(last?.backward).toHaveLength(1);
    expect(last?.live).toHaveLength(1);
  });

  it('says what was fused away', () => {
    const steps = follow(passes, `${active.node.id}.0`);
    expect(steps.at(-1)).toMatchObject({ key: null, maker: { id: outputs.y.node.id }, live: [] });
    const text = describeFollowed(steps);
    expect(text[0]).toMatch(/^trace, norm_gradients, pairs: #\d+\.0 f32\[8,16\], made by #\d+ silu in block\.0\.act$/);
    expect(text.join('\n')).toMatch(
      /stores, schedule: computed inside #\d+ matmul\+silu\+add in block\.1?.*; no memory holds it/,
    );
  });
});

describe('tensorKey', () => {
  it.each([
    ['x', '0.0'],
    [`${product.node.id}`, `${product.node.id}.0`],
    [`#${product.node.id}.0`, `${product.node.id}.0`],
    ['y', `${outputs.y.node.id}.0`],
    ['block.0', `${product.node.id}.0`],
    ['0.act', `${active.node.id}.0`],
  ])('finds %s', (name, key) => {
    expect(tensorKey(name, first, outputs)).toBe(key);
  });

  it.each([
    ['blocks.0', /nothing has this name \(did you mean block\.0/],
    ['9999', /has no such tensor/],
    ['0.7', /has no such tensor/],
  ])('refuses %s in one sentence', (name, sentence) => {
    expect(() => tensorKey(name, first, outputs)).toThrow(sentence);
  });
});

describe('the text', () => {
  it('counts what each pass did', () => {
    const rows = passes.map(passRow);
    expect(at(rows, 0)).toMatchObject({ pass: 'trace', fused: 0, added: 0 });
    const fused = rows.reduce((n, row) => n + row.fused, 0);
    const views = (pass: Pass): number => pass.nodes.filter(({ kind }) => kind === 'view').length;
    const removed = rows.reduce((n, row) => n + row.removed, 0);
    const [before, after] = [at(rows, 0).nodes + views(first), at(rows, 5).nodes + views(named('schedule'))];
    expect(before - after).toBe(fused + removed);
  });

  it('has a line for each node, with its kernels and its memory', () => {
    const text = describePass(named('schedule')).join('\n');
    expect(text).toMatch(
      /#\d+ step matmul\+silu\+add f32\[8,16\] f32\[8,16\] <- #0\.0 .* in block\.0.*; matmul\.\w+\+silu\+add; lives from/,
    );
  });
});
