/** onnxruntime-node with its WebGPU execution provider: forward rows, each as a small model. */
import { readFileSync } from 'node:fs';
import type { InferenceSession } from 'onnxruntime-node';
import type { Row } from '../row.ts';
import { GROUP_NORM_EPS } from '../row.ts';
import type { Arrays, Prepared } from '../serve_engine.ts';
import { Cannot, serve } from '../serve_engine.ts';
import type { OnnxNode, OnnxTensor } from './onnx.ts';
import { onnxModel } from './onnx.ts';

const ort = await import('onnxruntime-node');

function node(op: string, inputs: string[], outputs: string[], attributes: OnnxNode['attributes'] = {}): OnnxNode {
  return { op, inputs, outputs, attributes };
}

const whole = (...values: number[]): OnnxTensor => ({
  shape: [values.length],
  data: BigInt64Array.from(values.map(BigInt)),
});

/** Images are channels first in ONNX; the provider computes on channels last, and cancels these transposes. */
const first = (x: string): OnnxNode => node('Transpose', [x], [`${x}_first`], { perm: [0, 3, 1, 2] });
const last = (y: string): OnnxNode => node('Transpose', [`${y}_first`], [y], { perm: [0, 2, 3, 1] });

/** Head by head: all heads' scores in one tensor are more than lavapipe binds, and give wrong values there. */
function attentionByHead(heads: number): OnnxNode[] {
  const of = (name: string): string[] => Array.from({ length: heads }, (_, h) => `${name}${h}`);
  return [
    ...['q', 'k', 'v'].map((name) => node('Split', [name], of(name), { axis: 2, num_outputs: heads })),
    ...of('').flatMap((h) => [
      node('Transpose', [`k${h}`], [`kt${h}`], { perm: [0, 2, 1] }),
      node('Mul', [`q${h}`, 'scale'], [`qs${h}`]),
      node('MatMul', [`qs${h}`, `kt${h}`], [`s${h}`]),
      node('Softmax', [`s${h}`], [`p${h}`], { axis: -1 }),
      node('MatMul', [`p${h}`, `v${h}`], [`o${h}`]),
    ]),
    node('Concat', of('o'), ['y'], { axis: 2 }),
  ];
}

/** The nodes that make y, by each way there is. */
function waysOf(row: Row): (readonly OnnxNode[])[] {
  const { heads = 1, groups = 1 } = row;
  switch (row.kind) {
    case 'matmul':
      return [[node('MatMul', ['a', 'b'], ['y'])]];
    case 'conv2d': {
      const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] };
      return [[first('x'), node('Conv', ['x_first', 'w'], ['y_first'], attributes), last('y')]];
    }
    case 'attention': {
      const fused = node('MultiHeadAttention', ['q', 'k', 'v'], ['y'], { num_heads: heads });
      return [[{ ...fused, domain: 'com.microsoft' }], attentionByHead(heads)];
    }
    case 'group_norm': {
      const attributes = { num_groups: groups, epsilon: { f32: GROUP_NORM_EPS } };
      const normalize = node('GroupNormalization', ['x_first', 'gamma', 'beta'], ['y_first'], attributes);
      return [[first('x'), normalize, last('y')]];
    }
    default:
      throw new Cannot('an inference runtime: no gradients');
  }
}

/** All inputs are constants, so that they are uploaded once; then nothing may be computed when the model is loaded. */
const OPTIONS = {
  executionProviders: ['webgpu'],
  graphOptimizationLevel: 'disabled',
  logSeverityLevel: 4,
  extra: { session: { disable_cpu_ep_fallback: '1' } },
};

type Values = Awaited<ReturnType<InferenceSession['run']>>;

async function prepare(row: Row, inputs: Arrays, attempt: number): Promise<Prepared> {
  const nodes = waysOf(row)[attempt];
  if (!nodes) {
    throw new Cannot('no other way');
  }
  const shape = row.outputs.y ?? [];
  const initializers: Record<string, OnnxTensor> = {};
  for (const [name, data] of Object.entries(inputs)) {
    initializers[name] = { shape: row.inputs[name] ?? [], data };
  }
  if (row.heads) {
    const width = (shape[2] ?? 1) / row.heads;
    initializers.scale = { shape: [1], data: Float32Array.of(width ** -0.5) };
  }
  const model = onnxModel({ nodes, initializers, outputs: { y: shape } });
  const full = await ort.InferenceSession.create(model, OPTIONS);
  const { y } = await full.run({});
  const values = y?.data ?? new Float32Array();
  await full.release();
  const timed = await ort.InferenceSession.create(oneElement(nodes, initializers, shape), OPTIONS);
  return {
    run: async (repeats) => {
      let results: Values = {};
      for (let i = 0; i < repeats; i++) {
        results = await timed.run({});
      }
      if (!results.one) {
        throw new Error('no result');
      }
    },
    read: () => Promise.resolve({ y: values }),
    release: () => timed.release(),
  };
}

/** The same, of whose result one element comes back to the CPU. */
function oneElement(nodes: readonly OnnxNode[], inputs: Record<string, OnnxTensor>, shape: readonly number[]) {
  const ones = shape.map(() => 1);
  const initializers = { ...inputs, begin: whole(...shape.map(() => 0)), end: whole(...ones) };
  const slice = node('Slice', ['y', 'begin', 'end'], ['one']);
  return onnxModel({ nodes: [...nodes, slice], initializers, outputs: { one: ones } });
}

const packageFile = new URL('node_modules/onnxruntime-node/package.json', import.meta.url);

await serve({
  open: () => {
    const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
    return Promise.resolve({ version: `onnxruntime ${version}`, adapter: 'chosen by its own Dawn' });
  },
  prepare,
});
