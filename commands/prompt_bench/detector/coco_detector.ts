/**
 * A small COCO detector, FastestDet.onnx, by onnxruntime-node (an optional package). It says at once which of GenEval's objects are in
 * a picture. It is not GenEval's own evaluator, which has Mask2Former, and looks at colours and positions too.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { reasonOf, sentenceOf } from '../../../src/cli/usage_error.ts';
import { decodePng } from '../../../src/platform/node/png.ts';
import { areaResize } from './area_resize.ts';
import { type CocoBox, cocoBoxes } from './coco_boxes.ts';

/** The part of onnxruntime-node that is used. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(
        feeds: Record<string, unknown>,
      ): Promise<Record<string, { readonly data: unknown; readonly dims: readonly number[] }>>;
      release(): Promise<void>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
}

/** The network's input: this many pixels a side. */
const SIZE = 352;
const PACKAGE: string = 'onnxruntime-node';

export interface CocoDetector {
  /** The file's name and the start of its SHA-256. */
  readonly name: string;
  /** @param png a picture of 8-bit RGB */
  boxes(png: Uint8Array): Promise<CocoBox[]>;
  close(): Promise<void>;
}

/** @param path FastestDet.onnx @throws Error, one sentence: no package, no file, another network */
export async function openCocoDetector(path: string): Promise<CocoDetector> {
  let onnx: OnnxRuntime;
  try {
    onnx = (await import(PACKAGE)) as OnnxRuntime;
  } catch {
    throw new Error('--detector needs one more package: npm install onnxruntime-node');
  }
  const model = await readFile(path).catch((error) => {
    throw new Error(`cannot read the detector ${path}: ${reasonOf(error)}`);
  });
  const session = await onnx.InferenceSession.create(model).catch((error) => {
    throw new Error(`${path} is no network that onnxruntime can open: ${sentenceOf(error)}`);
  });
  const [input = '', output = ''] = [session.inputNames[0], session.outputNames[0]];
  const hash = createHash('sha256').update(model).digest('hex');
  const detector: CocoDetector = {
    name: `${basename(path)} (SHA-256 ${hash.slice(0, 12)})`,
    boxes: async (png) => {
      const pixels = detectorInput(png);
      const outputs = await session.run({ [input]: new onnx.Tensor('float32', pixels, [1, 3, SIZE, SIZE]) });
      const { data, dims } = outputs[output] ?? { data: null, dims: [] };
      if (!(data instanceof Float32Array) || dims.length !== 4 || dims[2] !== dims[3]) {
        throw new Error(`${path} is not FastestDet: its output is ${dims.join(' × ')}`);
      }
      return cocoBoxes(data, dims[2] ?? 0);
    },
    close: () => session.release(),
  };
  return detector;
}

/** Returns a picture as the network reads it: [3, 352, 352], blue first, from 0 to 1. */
export function detectorInput(png: Uint8Array): Float32Array {
  const { data } = areaResize(decodePng(png), SIZE, SIZE);
  const area = SIZE * SIZE;
  return Float32Array.from(
    { length: 3 * area },
    (_, i) => (data[(i % area) * 3 + 2 - Math.floor(i / area)] ?? 0) / 255,
  );
}
