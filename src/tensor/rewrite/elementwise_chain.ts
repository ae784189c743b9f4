/** Writes a chain of elementwise nodes as WGSL, for the body of a fused kernel or for the store of another kernel. */

import type { Binding, Param } from '../dispatch.ts';
import { keyOf, type Node, outputKey, siteOf } from '../graph.ts';
import type { HostArray, Pointwise } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import type { Shape, TensorType } from '../types.ts';
import { at, sizeOf } from '../types.ts';

/** Elementwise nodes that run as one. */
export interface Chain {
  /** The traced nodes, in order; the last one gives the result. */
  readonly nodes: readonly Node[];
  /** The tensors that the chain reads from outside. */
  readonly inputs: readonly Tensor[];
}

/** Returns the WGSL expression of a node; null where the node cannot be in a chain. */
export function pointwiseOf(node: Node): Pointwise | null {
  const isPlain = (type: TensorType): boolean => type.dtype !== 'i32';
  if (node.outputs.length !== 1 || !node.outputs.every(isPlain) || !node.inputs.every((t) => isPlain(t.type))) {
    return null;
  }
  return node.op?.pointwise?.(node.attrs) ?? null;
}

/** Returns each tensor once. */
export function distinct(tensors: readonly Tensor[]): Tensor[] {
  return [...new Map(tensors.map((t) => [keyOf(t), t])).values()];
}

/** Returns the floating-point operations of a chain, one for each node and element. */
export const chainFlops = (chain: Chain): number => chain.nodes.length * sizeOf(resultType(chain).shape);

/** Returns the type of the chain's result. */
export const resultType = (chain: Chain): TensorType => at(at(chain.nodes, chain.nodes.length - 1).outputs, 0);

/** Returns the names of the ops, for labels. */
export const chainName = (chain: Chain): string => chain.nodes.map((n) => n.op?.name).join('+');

/** Returns 4 where every input can be read four elements at a time along with the result, else 1. */
export function chainWidth(chain: Chain): 1 | 4 {
  const { shape } = resultType(chain);
  return chain.inputs.every((t) => operandIndex('', t.shape, shape, 4) !== null) && sizeOf(shape) % 4 === 0 ? 4 : 1;
}

/** A chain as WGSL. */
export interface ChainCode {
  /** Module-scope functions. */
  readonly functions: string;
  /** Statements over `i`, the index of the result in elements of `width`. */
  readonly statements: string;
  /** The name that holds the result. */
  readonly result: string;
  readonly params: Readonly<Record<string, Param>>;
  readonly bindings: readonly Binding[];
}

/**
 * Writes a chain as WGSL.
 * @param width elements handled at once; 4 needs `chainWidth`
 * @param prefix prefix of all names, so that they differ from the kernel's own
 * @param given names of variables that hold inputs already, by key
 * @param firstInput index, among the node's inputs, of the first other input of the chain
 */
export function chainCode(
  chain: Chain,
  width: 1 | 4,
  prefix: string,
  given: ReadonlyMap<string, string> = new Map(),
  firstInput = 0,
): ChainCode {
  const { shape } = resultType(chain);
  const type = width === 4 ? 'vec4<f32>' : 'f32';
  const names = new Map(given);
  const params: Record<string, Param> = {};
  const bindings: Binding[] = [];
  const statements: string[] = [];
  for (const t of chain.inputs.filter((x) => !given.has(keyOf(x)))) {
    const name = `${prefix}in${bindings.length}`;
    const operand = operandIndex(name, t.shape, shape, width);
    if (!operand) {
      throw new Error(`a chain cannot read [${t.shape.join(',')}] four elements at a time`);
    }
    Object.assign(params, operand.params);
    names.set(keyOf(t), `${name}_v`);
    statements.push(`  let ${name}_v = ${type}(load_${name}(${operand.index}));`);
    bindings.push({ name, ref: { input: firstInput + bindings.length }, access: 'read', vec: operand.vec });
  }
  const functions = new Set<string>();
  chain.nodes.forEach((node, k) => {
    const written = instantiate(pointwiseOf(node), type, prefix);
    const args = node.inputs.map((_, j) => `${'abc'.charAt(j)}: ${type}`);
    functions.add(written.functions);
    functions.add(`fn ${prefix}f${k}(${args.join(', ')}) -> ${type} { return ${type}(${written.expression}); }`);
    statements.push(
      `  let ${prefix}t${k} = ${prefix}f${k}(${node.inputs.map((t) => names.get(keyOf(t))).join(', ')});`,
    );
    names.set(outputKey(node, 0), `${prefix}t${k}`);
  });
  return {
    functions: [...functions].join('\n'),
    statements: statements.join('\n'),
    result: `${prefix}t${chain.nodes.length - 1}`,
    params,
    bindings,
  };
}

/** Returns WGSL over T as WGSL over `type`, with `prefix` before the names of its functions. */
function instantiate(pointwise: Pointwise | null, type: string, prefix: string): Required<Pointwise> {
  if (!pointwise) {
    throw new Error('a chain has a member that is not elementwise');
  }
  const { expression, functions = '' } = pointwise;
  const own = [...functions.matchAll(/\bfn (\w+)\(/g)].map((m) => m[1] ?? '');
  const rewrite = (text: string): string =>
    own
      .reduce((code, name) => code.replace(new RegExp(`\\b${name}\\(`, 'g'), `${prefix}${name}(`), text)
      .replace(/\bT\b/g, type);
  return { expression: rewrite(expression), functions: rewrite(functions) };
}

interface OperandIndex {
  /** WGSL expression over `i`. */
  readonly index: string;
  /** Elements that one load gives. With 1, all four elements of a vector are that one. */
  readonly vec: 1 | 4;
  readonly params: Readonly<Record<string, Param>>;
}

/**
 * Returns the index of the operand's element that belongs to element i of a result of shape `out` (vector i for width 4): i
 * itself, 0 for a scalar, i modulo a trailing block, or an index by strides. null where a vector of the result needs neither
 * four neighbours nor one element of the operand.
 */
function operandIndex(name: string, shape: Shape, out: Shape, width: 1 | 4): OperandIndex | null {
  const size = sizeOf(shape);
  if (size === 1) {
    return { index: '0u', vec: 1, params: {} };
  }
  const inner = at(out, out.length - 1);
  if (size === sizeOf(out)) {
    return { index: 'i', vec: width, params: {} };
  }
  if (inner % width !== 0) {
    return null;
  }
  const padded = [...new Array<number>(out.length - shape.length).fill(1), ...shape];
  const vec = at(padded, out.length - 1) === 1 ? 1 : width;
  const firstReal = padded.findIndex((d) => d !== 1);
  if (vec === width && padded.slice(firstReal).every((d, k) => d === out[firstReal + k])) {
    return { index: `i % params.${name}_block`, vec, params: { [`${name}_block`]: size / width } };
  }
  const params: Record<string, Param> = {};
  const terms: string[] = [];
  let outStride = 1;
  let stride = 1;
  for (let axis = out.length - 1; axis >= 0; axis--) {
    const isInner = axis === out.length - 1;
    const d = at(out, axis) / (isInner ? width : 1);
    if (at(padded, axis) !== 1) {
      params[`${name}_d${axis}`] = d;
      params[`${name}_o${axis}`] = outStride;
      params[`${name}_s${axis}`] = stride;
      terms.push(`(i / params.${name}_o${axis}) % params.${name}_d${axis} * params.${name}_s${axis}`);
      stride *= isInner ? d : at(padded, axis);
    }
    outStride *= d;
  }
  return { index: terms.join(' + '), vec, params };
}

/** Evaluates the chain on the CPU. @param values the inputs of the chain by key; the values of its nodes are added */
export function evaluateChain(chain: Chain, values: Map<string, HostArray>): Float64Array {
  let result = new Float64Array();
  for (const node of chain.nodes) {
    const site = siteOf(node);
    const args = node.inputs.map((t) => {
      const value = values.get(keyOf(t));
      if (!value) {
        throw new Error(`a fused chain reads ${keyOf(t)} before it is there`);
      }
      return value;
    });
    result = Float64Array.from(at(node.op?.reference(args, site) ?? [], 0));
    values.set(outputKey(node, 0), { shape: at(node.outputs, 0).shape, data: result });
  }
  return result;
}
