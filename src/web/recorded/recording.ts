/** Fetches the recorded run: its numbers, and its pictures as the page shows them. */
import { parseRecordedRun, pictureAt, type RecordedRun } from '../../reno/scene/recorded_run.ts';
import { methodOf } from '../../reno/search/method_names.ts';
import { type ShownFrame, type ShownRun, withMethodOf } from '../state/studio_state.ts';

/** Reads the numbers alone. @throws Error, one sentence */
export async function fetchRecordedRun(address: string): Promise<RecordedRun> {
  return parseRecordedRun(await (await fetched(address)).text());
}

/** Reads the pictures, and puts them together with the numbers: all of the run, as the page shows it. @throws Error, one sentence */
export async function fetchRecording(run: RecordedRun, address: string): Promise<ShownRun> {
  const bitmap = await createImageBitmap(await (await fetched(address)).blob());
  const canvas = document.createElement('canvas');
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) {
    throw new Error('the browser draws no pictures');
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { config, image, iterations, best } = run.history;
  const frames = iterations.map((record): ShownFrame => {
    const { x, y } = pictureAt(run, record.iteration);
    const { data: pixels } = context.getImageData(x, y, image.width, image.height);
    return { iteration: record.iteration, pixels, record };
  });
  const { prompt, seed, nIters, mode } = config;
  return {
    source: 'recorded',
    settings: withMethodOf({ prompt, seed, iterations: nIters, method: methodOf(mode) }),
    size: image,
    charted: config,
    frames,
    best,
    outcome: { history: run.history, bestLatents: null },
  };
}

async function fetched(address: string): Promise<Response> {
  const answer = await fetch(address);
  if (!answer.ok) {
    throw new Error(`the recorded run cannot be fetched (status ${answer.status})`);
  }
  return answer;
}
