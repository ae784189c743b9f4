/**
 * Small ONNX models as bytes, for onnxruntime: the few fields of onnx.proto3 (github.com/onnx/onnx) that a graph of f32
 * tensors needs, in protobuf's wire format.
 */

/** An attribute: a whole number, a float, text, or whole numbers. */
export type Attribute = number | { readonly f32: number } | string | readonly number[];

export interface OnnxNode {
  readonly op: string;
  /** Default: ONNX's own. */
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** Inputs of each run: shapes by name. */
  readonly inputs?: Readonly<Record<string, readonly number[]>>;
  /** Values that are part of the model. */
  readonly initializers: Readonly<Record<string, OnnxTensor>>;
  /** Shapes by name. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

const OPSET = 23;
const IR_VERSION = 10;
const FLOAT = 1;
const INT64 = 7;

/** The model's file. */
export function onnxModel(graph: OnnxGraph): Uint8Array {
  const domains = new Set(graph.nodes.flatMap((node) => node.domain ?? []));
  const opsets = [['', OPSET] as const, ...[...domains].map((domain) => [domain, 1] as const)];
  const body = message(
    ...graph.nodes.map((node) => bytes(1, nodeBytes(node))),
    text(2, 'graph'),
    ...Object.entries(graph.initializers).map(([name, tensor]) => bytes(5, tensorBytes(name, tensor))),
    ...Object.entries(graph.inputs ?? {}).map(([name, shape]) => bytes(11, valueInfo(name, shape))),
    ...Object.entries(graph.outputs).map(([name, shape]) => bytes(12, valueInfo(name, shape))),
  );
  const imports = opsets.map(([domain, version]) => bytes(8, message(text(1, domain), int(2, version))));
  return message(int(1, IR_VERSION), bytes(7, body), ...imports);
}

function nodeBytes(node: OnnxNode): Uint8Array {
  return message(
    ...node.inputs.map((name) => text(1, name)),
    ...node.outputs.map((name) => text(2, name)),
    text(4, node.op),
    ...(node.domain ? [text(7, node.domain)] : []),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) => bytes(5, attributeBytes(name, value))),
  );
}

function attributeBytes(name: string, value: Attribute): Uint8Array {
  if (typeof value === 'number') {
    return message(text(1, name), int(3, value), int(20, 2));
  }
  if (typeof value === 'string') {
    return message(text(1, name), text(4, value), int(20, 3));
  }
  if ('f32' in value) {
    return message(text(1, name), fixed32(2, value.f32), int(20, 1));
  }
  return message(text(1, name), ...value.map((v) => int(8, v)), int(20, 7));
}

function tensorBytes(name: string, { shape, data }: OnnxTensor): Uint8Array {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const type = data instanceof Float32Array ? FLOAT : INT64;
  return message(...shape.map((d) => int(1, d)), int(2, type), text(8, name), bytes(9, raw));
}

function valueInfo(name: string, shape: readonly number[]): Uint8Array {
  const dims = message(...shape.map((d) => bytes(1, int(1, d))));
  const tensor = message(int(1, FLOAT), bytes(2, dims));
  return message(text(1, name), bytes(2, bytes(1, tensor)));
}

/** Negative numbers take all ten bytes, as protobuf's int64 does. */
function varint(value: number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  for (; rest > 127n; rest >>= 7n) {
    out.push(Number(rest & 127n) | 128);
  }
  return [...out, Number(rest)];
}

const key = (field: number, wire: number): number[] => varint(field * 8 + wire);
const int = (field: number, value: number): Uint8Array => Uint8Array.from([...key(field, 0), ...varint(value)]);
const text = (field: number, value: string): Uint8Array => bytes(field, new TextEncoder().encode(value));

function bytes(field: number, value: Uint8Array): Uint8Array {
  return message(Uint8Array.from([...key(field, 2), ...varint(value.length)]), value);
}

function fixed32(field: number, value: number): Uint8Array {
  return message(Uint8Array.from(key(field, 5)), new Uint8Array(Float32Array.of(value).buffer));
}

function message(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let end = 0;
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
  }
  return out;
}
