/** T5 beyond its golden cases: embeddings in one piece and in several, and the buckets of all distances. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { openFixture } from '../../../commands/parity/golden.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { LargeEmbedding } from '../../../src/models/layers/large_embedding.ts';
import { relativePositionBucket } from '../../../src/models/t5/relative_attention_bias.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../../../src/models/t5/t5.ts';
import { WeightStore } from '../../../src/models/weights/weight_store.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';

describe.each(['t5.safetensors', 't5_relu.safetensors'])('%s', (name) => {
  it('buckets of distances, as transformers', async () => {
    const file = await openFixture(name);
    const config = t5Config(new Config(name, JSON.parse(file.metadata.config ?? '')));
    const expected = await readFloats(file, 'golden.buckets');
    const buckets = Array.from(expected, (_, i) => relativePositionBucket(i - 300, config));
    expect(buckets).toEqual([...expected]);
  });

  it('from token ids, as from their embeddings', async () => {
    const file = await openFixture(name);
    const graph = new Graph();
    const store = new WeightStore(graph, [file], { ignore: [...T5_IGNORE, /^golden\./] });
    const config = t5Config(new Config(name, JSON.parse(file.metadata.config ?? '')));
    const model = new T5EncoderModel(store.sub('weights'), config);
    store.assertAllUsed();
    const shape = file.entries.get('golden.ids')?.shape ?? [];
    const hidden = model.forward(graph.input('ids', shape, 'prompt', 'i32'), graph.input('mask', shape, 'prompt'));
    const feeds = new Map<string, ArrayLike<number>>(await store.values());
    feeds.set('ids', await readFloats(file, 'golden.ids'));
    feeds.set('mask', await readFloats(file, 'golden.mask'));
    const [values = []] = interpret([hidden], feeds);
    expect(nmse(values, await readFloats(file, 'golden.output'))).toBeLessThan(4e-12);
  });
});

it.each([1, 7, 15, 40, 47, 48])('a table cut into pieces of %i rows gives the same rows', async (rows) => {
  const file = await openFixture('t5.safetensors');
  const graph = new Graph();
  const store = new WeightStore(graph, [file]);
  const table = new LargeEmbedding(store.sub('weights', 'shared'), 48, 20, rows * 20 * 2 + 1);
  expect(table.pieces.map((piece) => piece.dim(0)).reduce((a, b) => a + b)).toBe(48);
  expect(table.pieces).toHaveLength(Math.ceil(48 / rows));
  const ids = [0, 47, 6, 7, 14, 15, 29, 30, 39, 40, 46, 1];
  const found = table.forward(graph.input('ids', [2, 6], 'prompt', 'i32'));
  expect(found.shape).toEqual([2, 6, 20]);
  const [values = []] = interpret(
    [found],
    new Map<string, ArrayLike<number>>([...(await store.values()), ['ids', ids]]),
  );
  const all = await readFloats(file, 'weights.shared.weight');
  expect([...values]).toEqual(ids.flatMap((id) => [...all.slice(id * 20, (id + 1) * 20)]));
  expect(store.unused()).not.toContain('weights.shared.weight');
});
