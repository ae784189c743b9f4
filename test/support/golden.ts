/** Golden fixtures (tools/reference/networks.py): a network's value and input gradient against what PyTorch gave. */
import { expect } from 'vitest';
import { fileSource } from '../../src/cli/node_files.ts';
import { mul, sum } from '../../src/kernels/index.ts';
import { Config } from '../../src/models/config.ts';
import { type WeightOptions, WeightStore } from '../../src/models/weights.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import { openSafetensors, readFloats, type SafetensorsFile } from '../../src/tensor/safetensors.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/tensor/vjp.ts';
import { cosine, nmse } from './numbers.ts';

export const FIXTURES = new URL('../fixtures', import.meta.url).pathname;

export async function openFixture(name: string): Promise<SafetensorsFile> {
  return openSafetensors(await fileSource(`${FIXTURES}/${name}`));
}

/** A network traced at its golden input, with the gradient at the input of sum(output · cotangent). */
export interface Golden {
  readonly graph: Graph;
  readonly output: Tensor;
  readonly gradient: Tensor;
  /** Values of all graph inputs. */
  readonly feeds: Map<string, ArrayLike<number>>;
  readonly expected: { readonly output: Float32Array; readonly gradient: Float32Array };
}

export interface GoldenSite {
  readonly file: SafetensorsFile;
  readonly weights: WeightStore;
  readonly config: Config;
  /** `golden.input` as a graph input of stage step. */
  readonly input: Tensor;
  /** Another `golden.*` tensor as a graph input. */
  readonly extra: (name: string) => Tensor;
}

/** `build` makes the network's output from the fixture's weights and input. */
export async function golden(
  name: string,
  options: WeightOptions,
  build: (site: GoldenSite) => Tensor | Promise<Tensor>,
): Promise<Golden> {
  const file = await openFixture(name);
  const graph = new Graph();
  const given: string[] = [];
  const extra = (key: string, stage: 'prompt' | 'step' = 'prompt'): Tensor => {
    given.push(key);
    return graph.input(`golden.${key}`, file.entries.get(`golden.${key}`)?.shape ?? [], stage);
  };
  const store = new WeightStore(graph, [file], { ...options, ignore: [/^golden\./] });
  const config = new Config(name, JSON.parse(file.metadata.config ?? 'null'));
  const input = extra('input', 'step');
  const output = await build({ file, weights: store.sub('weights'), config, input, extra });
  store.assertAllUsed();
  const loss = sum(mul(output, extra('cotangent')));
  const [gradient = loss] = gradients(loss, [input]);
  const feeds = new Map<string, ArrayLike<number>>(await store.values());
  for (const key of given) {
    feeds.set(`golden.${key}`, await readFloats(file, `golden.${key}`));
  }
  const expected = {
    output: await readFloats(file, 'golden.output'),
    gradient: await readFloats(file, 'golden.gradient'),
  };
  return { graph, output, gradient, feeds, expected };
}

export function interpreted({ output, gradient, feeds }: Golden): Values {
  const [value = [], slope = []] = interpret([output, gradient], feeds);
  return { output: value, gradient: slope };
}

export interface Values {
  readonly output: ArrayLike<number>;
  readonly gradient: ArrayLike<number>;
}

/** Value by NMSE, gradient by direction and by NMSE (a direction alone would let a wrong scale pass). */
export function expectClose(actual: Values, { expected }: { readonly expected: Values }, bound = 1e-6): void {
  expect(actual.output.length).toBe(expected.output.length);
  expect(nmse(actual.output, expected.output)).toBeLessThan(bound);
  expect(cosine(actual.gradient, expected.gradient)).toBeGreaterThan(0.9999);
  expect(nmse(actual.gradient, expected.gradient)).toBeLessThan(bound);
}
