/** A run that was recorded to be shown where nothing computes: its history, every picture, and the evaluator's judgement of each. */
import { at } from '../../tensor/types.ts';
import type { History } from '../report/history.ts';
import type { Example } from './examples.ts';
import type { Detection, ScenePrompt, VerdictConfig } from './verdict.ts';

/** The JSON part of a recording. The pictures are one PNG beside it: rows of `columns` pictures in the order of the iterations. */
export interface RecordedRun {
  readonly format: 1;
  readonly history: History;
  /** The scene that the prompt asks for. */
  readonly scene: ScenePrompt;
  /** The objects that the evaluator found in the picture of each iteration. */
  readonly detections: readonly (readonly Detection[])[];
  /** The evaluator's rule, with the words that it knows. */
  readonly evaluator: VerdictConfig;
  readonly columns: number;
  /** Other prompts whose first picture was measured to be wrong, and their best one right. */
  readonly examples: readonly Example[];
}

/** Reads the JSON part. @throws Error, one sentence, when it is no recording or its parts differ in length */
export function parseRecordedRun(text: string): RecordedRun {
  const run = JSON.parse(text) as Partial<RecordedRun>;
  const iterations = run.history?.iterations.length;
  if (run.format !== 1 || iterations === undefined || run.detections?.length !== iterations) {
    throw new Error('the recorded run is of another version than this page: load the page again');
  }
  return run as RecordedRun;
}

/** Returns the place of an iteration's picture in the PNG, in pixels. */
export function pictureAt(
  { columns, history: { image } }: Pick<RecordedRun, 'columns'> & { readonly history: Pick<History, 'image'> },
  iteration: number,
): { readonly x: number; readonly y: number } {
  return { x: (iteration % columns) * image.width, y: Math.floor(iteration / columns) * image.height };
}

/** One picture from many of equal size: `channels` bytes a pixel, rows of `columns` pictures, black where the last row ends early. */
export function tilePictures(
  pictures: readonly Uint8Array[],
  { height, width, columns, channels }: { height: number; width: number; columns: number; channels: number },
): { readonly width: number; readonly height: number; readonly data: Uint8Array<ArrayBuffer> } {
  const grid = { columns, history: { image: { height, width } } };
  const whole = { width: columns * width, height: Math.ceil(pictures.length / columns) * height };
  const data = new Uint8Array(whole.width * whole.height * channels);
  for (let i = 0; i < pictures.length; i++) {
    const { x, y } = pictureAt(grid, i);
    for (let row = 0; row < height; row++) {
      const pixels = at(pictures, i).subarray(row * width * channels, (row + 1) * width * channels);
      data.set(pixels, ((y + row) * whole.width + x) * channels);
    }
  }
  return { ...whole, data };
}
