/** The state of an unfinished run as plain data: with it, a run goes on later, elsewhere or on another device, to the same bytes. */
import { bytesSource } from '../../models/checkpoint/byte_source.ts';
import { openSafetensors } from '../../models/checkpoint/safetensors/open_safetensors.ts';
import { type SafetensorsValue, writeSafetensors } from '../../models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../models/checkpoint/tensor_file.ts';
import type { Shape } from '../../tensor/types.ts';
import type { IterationRecord, RunConfig } from '../report/history.ts';
import type { LeverMove } from './levers.ts';
import type { Frame } from './loop.ts';

/** The values of a state tensor. */
export interface StateTensor {
  readonly shape: Shape;
  readonly data: Float32Array<ArrayBuffer>;
}

/** The state of the loop after some iterations. */
export interface LoopState {
  /** The number of iterations that are done, and so the number of the next one. */
  readonly iteration: number;
  /** The losses of each iteration that is done. */
  readonly records: readonly IterationRecord[];
  /** Position in `records` of the lowest total. */
  readonly best: number;
  /** The time that the iterations took, in seconds. */
  readonly seconds: number;
  /** The noise, the optimiser's state and the best so far, by the names of their graph inputs. */
  readonly tensors: Readonly<Record<string, StateTensor>>;
  /** The gradient of each iteration, which L-BFGS is replayed from; empty for other optimisers. */
  readonly gradients: readonly Float32Array<ArrayBuffer>[];
  /** The levers at the start and whenever they moved, where the run has levers. */
  readonly moves?: readonly LeverMove[];
  /** Iterations whose noise was pushed by hand, where the run has levers. */
  readonly pushes?: readonly number[];
  /** The picture from the first noise, [H,W,3] in [0,1]. */
  readonly initImage: Float32Array<ArrayBuffer>;
  /** The pictures that `wantsFrame` chose until now, in order. */
  readonly frames: readonly Frame[];
}

/** The state of a run. `GenerateOptions.onState` gives it, and `GenerateOptions.resume` takes it. */
export interface RunState extends LoopState {
  /** The prompt, the seed and the settings of the run. */
  readonly config: RunConfig;
}

const FORMAT = 'reno run state 1';
const TENSOR = 'state.';
const flat = (data: Float32Array): SafetensorsValue => ({ shape: [data.length], data });
const numbered = (name: string, i: number): string => `${name}.${String(i).padStart(6, '0')}`;

/** Returns the state as one safetensors file, with its numbers as JSON in the file's metadata. */
export function encodeRunState(state: RunState): Uint8Array<ArrayBuffer> {
  const { tensors, gradients, initImage, frames, ...numbers } = state;
  const values: Record<string, SafetensorsValue> = { init_image: flat(initImage) };
  for (const [name, value] of Object.entries(tensors)) {
    values[`${TENSOR}${name}`] = value;
  }
  for (const [i, gradient] of gradients.entries()) {
    values[numbered('gradient', i)] = flat(gradient);
  }
  for (const { iteration, pixels } of frames) {
    values[numbered('frame', iteration)] = flat(pixels);
  }
  return writeSafetensors(values, { format: FORMAT, run: JSON.stringify(numbers) });
}

/** Reads what `encodeRunState` wrote. @throws Error, one sentence, for other bytes */
export async function decodeRunState(name: string, bytes: Uint8Array): Promise<RunState> {
  const file = await openSafetensors(bytesSource(name, bytes));
  const { format, run } = file.metadata;
  if (format !== FORMAT || run === undefined) {
    throw new Error(`${name}: is not the state of a run ("${FORMAT}")`);
  }
  const numbers = JSON.parse(run) as Pick<
    RunState,
    'config' | 'iteration' | 'records' | 'best' | 'seconds' | 'moves' | 'pushes'
  >;
  const tensors: Record<string, StateTensor> = {};
  const gradients: Float32Array<ArrayBuffer>[] = [];
  const frames: Frame[] = [];
  for (const [key, { shape }] of [...file.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const data = await readFloats(file, key);
    if (key.startsWith(TENSOR)) {
      tensors[key.slice(TENSOR.length)] = { shape, data };
    } else if (key.startsWith('gradient.')) {
      gradients.push(data);
    } else if (key.startsWith('frame.')) {
      frames.push({ iteration: Number(key.slice('frame.'.length)), pixels: data });
    }
  }
  return { ...numbers, tensors, gradients, frames, initImage: await readFloats(file, 'init_image') };
}

/**
 * Checks that a state belongs to the run that is to go on. The storage of weights and activations may differ: a run that ran out
 * of memory goes on in less.
 * @throws Error, one sentence, that names the first difference
 */
export function assertSameRun(state: RunConfig, run: RunConfig): void {
  const { dtype: _d, f32Modules: _f, weightBits: _w, ...before }: RunConfig = state;
  const now: Readonly<Record<string, unknown>> = { ...run };
  for (const [key, value] of Object.entries(before)) {
    const [had, has] = [JSON.stringify(value), JSON.stringify(now[key])];
    if (had !== has) {
      throw new Error(`the state belongs to another run: its ${key} is ${had}, and here it is ${has}`);
    }
  }
}
