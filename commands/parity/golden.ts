/** Golden fixtures (python/reference): a network's value and input gradient against what PyTorch gave. */
import { cast, mul, sum } from '../../src/kernels/index.ts';
import { Config } from '../../src/models/checkpoint/config.ts';
import { openSafetensors, type SafetensorsFile } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import type { WeightOptions } from '../../src/models/weights/weight_inputs.ts';
import { WeightStore } from '../../src/models/weights/weight_store.ts';
import { fileSource } from '../../src/platform/node/node_files.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Shape, sizeOf, type TensorType } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';
import { cosine, nmse } from '../common/distances.ts';

export const FIXTURES = new URL('../../parity', import.meta.url).pathname;

export async function openFixture(name: string): Promise<SafetensorsFile> {
  return openSafetensors(await fileSource(`${FIXTURES}/${name}`));
}

/** The dtype of stored weights and of activations; arithmetic is f32 in both. */
export type Precision = 'f32' | 'f16';

/** A network traced at its golden input, with the gradient at the input of sum(output · cotangent). */
export interface Golden {
  readonly graph: Graph;
  readonly precision: Precision;
  readonly output: Tensor;
  readonly gradient: Tensor;
  /** Values of all graph inputs. */
  readonly feeds: Map<string, ArrayLike<number>>;
  readonly expected: { readonly output: Float32Array; readonly gradient: Float32Array };
  /** Share of the values of stage step that are kept in f16. */
  readonly half: number;
  /** The libraries that made the fixture, such as `torch 2.13.0, diffusers 0.42.1`. */
  readonly versions: string;
}

/** One row of `npm run parity`. */
export type ParityCase = (precision: Precision) => Promise<Golden>;

export interface GoldenSite {
  readonly file: SafetensorsFile;
  readonly weights: WeightStore;
  readonly config: Config;
  /** `golden.input` as a graph input of stage step; cast to f16 where that is the precision. */
  readonly input: Tensor;
  /** Another `golden.*` tensor as a graph input: i32 where the file has integers, cast to f16 as the input is. */
  readonly extra: (name: string) => Tensor;
}

/** Keys and prefixes of a golden file's tensors. */
export interface Layout {
  /** Prefix of the weights' keys. */
  readonly weights: string;
  readonly inputs: string;
  readonly input: string;
  readonly output: string;
  readonly gradient: string;
  /** Absent: the gradient is that of the output's sum. */
  readonly cotangent?: string;
}
const OWN: Layout = {
  weights: 'weights.',
  inputs: 'golden.',
  input: 'input',
  output: 'golden.output',
  gradient: 'golden.gradient',
  cotangent: 'golden.cotangent',
};

export interface GoldenOptions extends WeightOptions {
  readonly layout?: Layout;
  /** Absent: the config in the file's metadata. */
  readonly config?: Config;
  /** In f16 the cotangent is multiplied by this power of two and the gradient divided by it, so that it does not underflow. */
  readonly gradientScale?: number;
}

/** `build` makes the network's output from the fixture's weights and input. */
export async function golden(
  name: string,
  options: GoldenOptions,
  build: (site: GoldenSite) => Tensor | Promise<Tensor>,
  precision: Precision = 'f32',
): Promise<Golden> {
  const { layout = OWN, gradientScale = 1 } = options;
  const file = await openFixture(name);
  const graph = new Graph();
  const given = new Set<string>();
  const shapeOf = (key: string): Shape => file.entries.get(key)?.shape ?? [];
  const declare = (key: string, stage: 'prompt' | 'step' = 'prompt'): Tensor => {
    given.add(key);
    return graph.input(key, shapeOf(key), stage, file.entries.get(key)?.dtype === 'I32' ? 'i32' : 'f32');
  };
  const compute = (x: Tensor): Tensor => (precision === 'f16' && x.dtype === 'f32' ? cast(x, 'f16') : x);
  const store = new WeightStore(graph, [file], {
    ...(precision === 'f16' ? { storage: 'f16' as const } : {}),
    ...options,
    ignore: [...(options.ignore ?? []), { test: (key: string) => !key.startsWith(layout.weights) } as RegExp],
  });
  const input = declare(`${layout.inputs}${layout.input}`, 'step');
  const made = await build({
    file,
    weights: store.sub(layout.weights.slice(0, -1)),
    config: options.config ?? new Config(name, JSON.parse(file.metadata.config ?? '{}')),
    input: compute(input),
    extra: (key) => compute(declare(`${layout.inputs}${key}`)),
  });
  store.assertAllUsed();
  const output = cast(made, 'f32');
  const scale = precision === 'f16' ? gradientScale : 1;
  const loss = sum(layout.cotangent ? mul(output, declare(layout.cotangent)) : output);
  const [scaled] = gradients(scale === 1 ? loss : mul(loss, scale), [input]);
  const feeds = new Map<string, ArrayLike<number>>(await store.values());
  for (const key of given) {
    feeds.set(key, await readFloats(file, key));
  }
  const expected = {
    output: await readFloats(file, layout.output),
    gradient: await readFloats(file, layout.gradient),
  };
  const gradient = scale === 1 ? scaled : mul(scaled, 1 / scale);
  const versions = file.metadata.versions ?? 'not recorded';
  return { graph, precision, output, gradient, feeds, expected, half: halfShare(graph), versions };
}

export function halfShare(graph: Graph): number {
  const made = graph.nodes.filter((node) => node.op && node.stage === 'step').flatMap((node) => node.outputs);
  const size = (types: readonly TensorType[]): number => types.reduce((n, t) => n + sizeOf(t.shape), 0);
  return size(made.filter((t) => t.dtype === 'f16')) / size(made);
}

export function interpreted({ output, gradient, feeds }: Golden): Values {
  const [value = [], slope = []] = interpret([output, gradient], feeds);
  return { output: value, gradient: slope };
}

/** Through a plan on the device. */
export async function computed(device: Device, { output, gradient, feeds }: Golden): Promise<Values> {
  using plan = await compile(device, { outputs: { output, gradient } });
  for (const [name, values] of feeds) {
    plan.write(name, values);
  }
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  return { output: await plan.read('output'), gradient: await plan.read('gradient') };
}

export interface Values {
  readonly output: ArrayLike<number>;
  readonly gradient: ArrayLike<number>;
}

/** How far `actual` is from what the reference computed. */
export interface Distance {
  readonly nmse: number;
  readonly cosine: number;
  /** Norm of the gradient over the reference's. */
  readonly normRatio: number;
}

export function distance(actual: Values, expected: Values): Distance {
  const norm = (x: ArrayLike<number>): number => Math.sqrt(Array.from(x).reduce((total, v) => total + v * v, 0));
  return {
    nmse: actual.output.length === expected.output.length ? nmse(actual.output, expected.output) : Number.NaN,
    cosine: cosine(actual.gradient, expected.gradient),
    normRatio: norm(actual.gradient) / norm(expected.gradient),
  };
}

/** A direction alone would let a wrong scale pass: the norm of the gradient has a bound of its own. */
export const BOUNDS: Readonly<Record<Precision, { nmse: number; cosine: number; norm: number }>> = {
  f32: { nmse: 1e-6, cosine: 0.9999, norm: 1e-3 },
  f16: { nmse: 1e-3, cosine: 0.999, norm: 2e-2 },
};

/** NaN holds no bound. */
export function holds(found: Distance, precision: Precision): boolean {
  const bound = BOUNDS[precision];
  return found.nmse <= bound.nmse && found.cosine >= bound.cosine && Math.abs(found.normRatio - 1) <= bound.norm;
}
