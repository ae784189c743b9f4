/** jax-js with its WebGPU backend; everything runs as one jitted function. */
import { readFileSync } from 'node:fs';
import { jaxIteration } from '../network/jax_network.ts';
import type { Row } from '../row.ts';
import { GROUP_NORM_EPS } from '../row.ts';
import type { Arrays, Prepared } from '../serve_engine.ts';
import { Cannot, serve } from '../serve_engine.ts';
import { offerWebGpu } from './dawn.ts';

/** Node 20 has no iterator helpers; jax-js's einsum, and with it its attention, calls two of them. */
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object;
if (!('map' in iterators)) {
  Object.defineProperties(iterators, {
    map: {
      *value<T, U>(this: Iterable<T>, f: (item: T) => U): Generator<U> {
        for (const item of this) {
          yield f(item);
        }
      },
    },
    filter: {
      *value<T>(this: Iterable<T>, f: (item: T) => boolean): Generator<T> {
        for (const item of this) {
          if (f(item)) {
            yield item;
          }
        }
      },
    },
  });
}

const adapter = await offerWebGpu();
const jax = await import('@jax-js/jax');
const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy: np, valueAndGrad, vjp } = jax;
type Value = import('@jax-js/jax').Array;

/** Images are channels first here. */
const FIRST = [0, 3, 1, 2];
const LAST = [0, 2, 3, 1];

const convolve = (x: Value, w: Value): Value => lax.convGeneralDilated(x, w, [1, 1], 'SAME');

/** [T,heads*D] each; the library's own attention, for which all heads' scores are one array. */
function attend(q: Value, k: Value, v: Value, heads: number): Value {
  const [tokens = 1, channels = 1] = q.shape;
  const apart = (x: Value): Value => x.reshape([tokens, heads, channels / heads]);
  return nn.dotProductAttention(apart(q), apart(k), apart(v)).reshape([tokens, channels]);
}

/** A head at a time. */
function attendByHead(q: Value, k: Value, v: Value, heads: number): Value {
  const [ks, vs] = [np.split(k, heads, 1), np.split(v, heads, 1)];
  const results = np.split(q, heads, 1).map((head, i) => {
    const [key = head, value = head] = [ks[i], vs[i]];
    const width = head.shape[1] ?? 1;
    const scores = np.matmul(head.mul(width ** -0.5), key.transpose());
    return np.matmul(nn.softmax(scores, -1), value);
  });
  return np.concatenate(results, 1);
}

/** x [N,C,H,W]. */
function normalize(x: Value, gamma: Value, beta: Value, groups: number): Value {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const grouped = x.reshape([n, groups, (c / groups) * h * w]);
  const mean = np.mean(grouped.ref, -1, { keepdims: true });
  const centred = grouped.sub(mean);
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
  const normal = centred.div(np.sqrt(variance.add(GROUP_NORM_EPS))).reshape([n, c, h, w]);
  return normal.mul(gamma.reshape([1, c, 1, 1])).add(beta.reshape([1, c, 1, 1]));
}

type Compute = (...inputs: readonly Value[]) => readonly Value[];

/** The row over its inputs in order of their names in it; results likewise. */
function computation(row: Row, attempt: number): Compute {
  const { heads = 1, groups = 1 } = row;
  const way = attempt === 0 ? attend : attendByHead;
  const flat = (x: Value | undefined): Value => of(x).reshape(of(x).shape.slice(1));
  const attention = (...[q, k, v]: Value[]): Value => {
    const shape = of(q).shape;
    return way(flat(q), flat(k), flat(v), heads).reshape(shape);
  };
  switch (row.kind) {
    case 'matmul':
      return (a, b) => [np.matmul(of(a), of(b))];
    case 'conv2d':
      return (x, w) => [convolve(of(x), of(w))];
    case 'conv2d_backward_input':
      return (dy, w) => {
        // The point of a linear map's gradient plays no part; the shape of x is that of dx.
        const [y, pullBack] = vjp((x) => convolve(of(x), of(w)), [of(dy).ref]);
        y.dispose();
        return pullBack(of(dy));
      };
    case 'attention':
      return (q, k, v) => [attention(of(q), of(k), of(v))];
    case 'attention_gradient':
      return (q, k, v, dy) => {
        const [y, pullBack] = vjp(attention, [of(q), of(k), of(v)]);
        return [y, ...pullBack(of(dy))];
      };
    case 'group_norm':
      return (x, gamma, beta) => [normalize(of(x), of(gamma), of(beta), groups)];
    case 'group_norm_gradient':
      return (x, gamma, beta, dy) => {
        const [y, pullBack] = vjp((z) => normalize(of(z), of(gamma).ref, of(beta).ref, groups), [of(x)]);
        return [y, ...pullBack(of(dy))];
      };
    default:
      throw new Cannot(`no row of kind ${row.kind} here`);
  }
}

function of(x: Value | undefined): Value {
  if (!x) {
    throw new Error('an input is missing');
  }
  return x;
}

/** Into the layouts above. */
function given(values: Float32Array<ArrayBuffer>, name: string, shape: readonly number[]): Value {
  const x = np.array(values, { shape });
  return shape.length === 4 && name !== 'w' ? x.transpose(FIRST) : x;
}

async function prepare(row: Row, inputs: Arrays, attempt: number): Promise<Prepared> {
  if (attempt >= (row.heads ? 2 : 1)) {
    throw new Cannot('no other way');
  }
  const values = Object.entries(inputs).map(([name, array]) => given(array, name, row.inputs[name] ?? []));
  const network = row.network ? await jaxIteration(jax, row.network) : null;
  values.push(...(network?.weights ?? []));
  await blockUntilReady(values);
  const compute = jit(network ? valueAndGrad(network.loss) : computation(row, attempt));
  let results: readonly Value[] = [];
  const drop = (list: readonly Value[]): void => {
    for (const x of list) {
      x.dispose();
    }
  };
  return {
    run: async (repeats) => {
      for (let i = 0; i < repeats; i++) {
        drop(results);
        results = compute(...values.map((x) => x.ref));
        // Each run: a result that is let go before it was waited for is never computed.
        await blockUntilReady([...results]);
      }
    },
    read: async () => {
      const found: Record<string, Float32Array<ArrayBuffer>> = {};
      for (const [i, [name, shape]] of Object.entries(row.outputs).entries()) {
        const y = of(results[i]).ref;
        found[name] = await (shape.length === 4 ? y.transpose(LAST) : y).data();
      }
      return found;
    },
    release: () => {
      drop(results);
      drop(values);
      compute.dispose();
    },
  };
}

const packageFile = new URL('node_modules/@jax-js/jax/package.json', import.meta.url);

await serve({
  open: async () => {
    const devices = await init('webgpu');
    if (!devices.includes('webgpu')) {
      throw new Error('jax-js finds no WebGPU device');
    }
    defaultDevice('webgpu');
    const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
    return { version: `jax-js ${version}`, adapter };
  },
  prepare,
});
