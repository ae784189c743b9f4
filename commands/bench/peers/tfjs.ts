/** TensorFlow.js with its WebGPU backend (the umbrella package: core alone has no gradients). */

import type { Row } from '../row.ts';
import { GROUP_NORM_EPS } from '../row.ts';
import type { Arrays, Prepared } from '../serve_engine.ts';
import { Cannot, serve } from '../serve_engine.ts';
import { offerWebGpu } from './dawn.ts';

const adapter = await offerWebGpu();
const tf = await import('@tensorflow/tfjs');
await import('@tensorflow/tfjs-backend-webgpu');
type Tensor = import('@tensorflow/tfjs').Tensor;
type Results = Readonly<Record<string, Tensor>>;

/** All heads at once: their scores are one tensor. */
function attend(q: Tensor, k: Tensor, v: Tensor, count: number): Tensor {
  const [, tokens = 1, channels = 1] = q.shape;
  const [query = q, key = k, value = v] = [q, k, v].map((x) =>
    tf.transpose(tf.reshape(x, [tokens, count, channels / count]), [1, 0, 2]),
  );
  const scores = tf.matMul(tf.mul(query, (channels / count) ** -0.5), key, false, true);
  return tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), value), [1, 0, 2]), q.shape);
}

/** [N,T,heads*D] → one [T,D] a head. */
const heads = (x: Tensor, count: number): Tensor[] => tf.split(tf.reshape(x, x.shape.slice(1)), count, 1);

function attendByHead(q: Tensor, k: Tensor, v: Tensor, count: number): Tensor {
  const [ks, vs] = [heads(k, count), heads(v, count)];
  const results = heads(q, count).map((head, i) => {
    const [key, value] = [ks[i] ?? head, vs[i] ?? head];
    const width = head.shape[1] ?? 1;
    return tf.matMul(tf.softmax(tf.matMul(tf.mul(head, width ** -0.5), key, false, true)), value);
  });
  return tf.reshape(tf.concat(results, 1), q.shape);
}

function normalize(x: Tensor, gamma: Tensor, beta: Tensor, groups: number): Tensor {
  const [n = 1, h = 1, w = 1, c = 1] = x.shape;
  const grouped = tf.reshape(x, [n, h * w, groups, c / groups]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const normal = tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, GROUP_NORM_EPS)));
  return tf.add(tf.mul(tf.reshape(normal, x.shape), gamma), beta);
}

/** The row as a function of nothing that leaves its results. */
function computation(row: Row, attempt: number, input: (name: string) => Tensor): () => Results {
  const { heads: count = 1, groups = 1 } = row;
  const way = attempt === 0 ? attend : attendByHead;
  // [Cout,Cin,KH,KW] → [KH,KW,Cin,Cout], once.
  const filter = row.inputs.w ? tf.keep(tf.transpose(input('w'), [2, 3, 1, 0])) : null;
  const convolve = (x: Tensor): Tensor => tf.conv2d(x, filter ?? x, 1, 'same');
  switch (row.kind) {
    case 'matmul':
      return () => ({ y: tf.matMul(input('a'), input('b')) });
    case 'conv2d':
      return () => ({ y: convolve(input('x')) });
    case 'conv2d_backward_input': {
      // Its values play no part.
      const x = tf.keep(tf.reshape(input('dy'), row.outputs.dx ?? []));
      const pullBack = tf.grad(convolve);
      return () => ({ dx: pullBack(x, input('dy')) });
    }
    case 'attention':
      return () => ({ y: way(input('q'), input('k'), input('v'), count) });
    case 'attention_gradient': {
      const pullBack = tf.valueAndGrads((...[q = input('q'), k = input('k'), v = input('v')]) => way(q, k, v, count));
      return () => {
        const { value, grads } = pullBack([input('q'), input('k'), input('v')], input('dy'));
        const [dq = value, dk = value, dv = value] = grads;
        return { y: value, dq, dk, dv };
      };
    }
    case 'group_norm':
      return () => ({ y: normalize(input('x'), input('gamma'), input('beta'), groups) });
    case 'group_norm_gradient': {
      const pullBack = tf.valueAndGrads((x) => normalize(x ?? input('x'), input('gamma'), input('beta'), groups));
      return () => {
        const { value, grads } = pullBack([input('x')], input('dy'));
        return { y: value, dx: grads[0] ?? value };
      };
    }
    default:
      throw new Cannot(`no row of kind ${row.kind} here`);
  }
}

function prepare(row: Row, inputs: Arrays, attempt: number): Promise<Prepared> {
  if (attempt >= (row.heads ? 2 : 1)) {
    throw new Cannot('no other way');
  }
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [name, tf.tensor(values, row.inputs[name] ?? [])]),
  );
  const compute = computation(row, attempt, (name) => {
    const found = tensors[name];
    if (!found) {
      throw new Error(`row ${row.name} has no input ${name}`);
    }
    return found;
  });
  let results: Results = {};
  const drop = (): void => tf.dispose(Object.values(results));
  return Promise.resolve({
    run: async (repeats) => {
      for (let i = 0; i < repeats; i++) {
        drop();
        results = tf.tidy(compute);
      }
      // Reading one element waits for all.
      for (const y of Object.values(results).slice(-1)) {
        const one = tf.tidy(() => tf.slice(tf.reshape(y, [-1]), [0], [1]));
        await one.data();
        one.dispose();
      }
    },
    read: async () =>
      Object.fromEntries(
        await Promise.all(Object.entries(results).map(async ([name, y]) => [name, await y.data()] as const)),
      ),
    release: () => {
      drop();
      tf.dispose(Object.values(tensors));
    },
  });
}

await serve({
  open: async () => {
    await tf.setBackend('webgpu');
    await tf.ready();
    return { version: `tfjs ${tf.version.tfjs}`, adapter };
  },
  prepare,
});
