/** Modules stored as f32 in a graph that stores activations as f16. */
import { describe, expect, it } from 'vitest';
import { add, cast, inHalf, matmul, mul, square, sum } from '../../src/kernels/index.ts';
import { Graph, type Node } from '../../src/tensor/graph.ts';
import { RaisedModules } from '../../src/tensor/raised_modules.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/tensor/vjp.ts';

/** A network of three modules, a, b and b.c, with a weight stored as f16. */
function traced(raised: readonly string[]): { readonly graph: Graph; readonly loss: Tensor; readonly seen: string[] } {
  const graph = new Graph();
  graph.raised = raised.length > 0 ? new RaisedModules(raised) : null;
  const x = graph.input('x', [4, 8], 'step');
  const w = graph.input('w', [8, 8], 'load', 'f16');
  const seen: string[] = [];
  const note = (t: Tensor): Tensor => {
    seen.push(t.dtype);
    return t;
  };
  const y = inHalf(x, (h) => {
    const a = graph.scope('a', () => note(matmul(h, w)));
    const b = graph.scope('b', () => graph.scope('c', () => note(square(matmul(note(mul(a, a)), w)))));
    return add(b, a);
  });
  const loss = sum(y);
  const [gradient] = gradients(loss, [x]);
  return { graph, loss: add(loss, sum(gradient)), seen };
}

const typesIn = (graph: Graph, path: string, op: string): string[] =>
  graph.nodes
    .filter((node: Node) => node.path === path && node.op?.name === op)
    .map(({ outputs, backward }) => `${backward ? 'backward ' : ''}${outputs[0]?.dtype}`);

describe('a raised module', () => {
  it('stores its results and its gradients as f32, and the others theirs as f16', () => {
    const { graph } = traced(['b']);
    graph.raised?.assertFound();
    expect(typesIn(graph, 'b.c', 'matmul')).toEqual(['f32', 'backward f32']);
    expect(typesIn(graph, 'a', 'matmul')).toEqual(['f16', 'backward f16']);
  });

  it('still says f16 to its network, so that the same ops are traced', () => {
    expect(traced(['b']).seen).toEqual(traced([]).seen);
    const without = (graph: Graph): (string | undefined)[] =>
      graph.nodes.filter(({ backward, op }) => !backward && op?.name !== 'cast').map(({ op }) => op?.name);
    expect(without(traced(['b']).graph)).toEqual(without(traced([]).graph));
  });

  it('leaves weights as they are, and adds nothing but casts at its border', () => {
    const { graph } = traced(['b']);
    const casts = graph.nodes.filter(({ op, backward }) => op?.name === 'cast' && !backward);
    expect(
      casts.map(({ path, outputs, inputs }) => `${inputs[0]?.type.dtype} ${outputs[0]?.dtype} in ${path}`),
    ).toEqual(['f16 f32 in b.c', 'f32 f16 in ']);
  });

  it('gives its own f32 where the network wants f32', () => {
    const graph = new Graph();
    graph.raised = new RaisedModules(['m']);
    const h = graph.input('h', [4], 'step', 'f16');
    const inside = graph.scope('m', () => square(h));
    const outside = cast(inside, 'f32');
    expect([inside.dtype, inside.type.dtype, outside.node]).toEqual(['f16', 'f32', inside.node]);
  });

  it.each([
    ['b.d', 'no module "b.d" stores activations as f16, so it cannot be raised to f32: did you mean b'],
    ['bb', 'no module "bb" stores'],
  ])('%s that is not there is refused by name', (name, message) => {
    expect(() => traced(['a', name]).graph.raised?.assertFound()).toThrow(message);
  });
});
