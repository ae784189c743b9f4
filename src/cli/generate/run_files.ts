/** Makes the files of one run. */

import { writeSafetensors } from '../../models/checkpoint/safetensors/write_safetensors.ts';
import { encodePng, type PngPicture, toPicture } from '../../platform/node/png.ts';
import type { Trajectory } from '../../reno/loop/loop.ts';
import { drawNoise } from '../../reno/noise/draw_noise.ts';
import type { History } from '../../reno/report/history.ts';
import { dataUri } from '../../reno/report/html.ts';
import { renderReport } from '../../reno/report/report.ts';
import type { Transferred } from '../../reno/transfer.ts';
import { at } from '../../tensor/types.ts';
import { makeStrip, stripIterations } from './strip.ts';

/** Names that runs have written at all times, for folders that an earlier version wrote to. */
const NAMES: readonly string[] = [
  'init.png',
  'best.png',
  'strip.png',
  'transfer.png',
  'transfer_init.png',
  'latents.safetensors',
  'history.json',
  'report.html',
];

/** The files of a run that an earlier version wrote, which kept no list of them. */
export function formerFiles(iterations: readonly string[]): string[] {
  const pictures = iterations.filter((name) => /^\d{3,}\.png$/.test(name));
  return [...NAMES, ...pictures.map((name) => `iterations/${name}`)];
}

/** Returns pictures, history, latents and report by their paths. */
export function runFiles(
  trajectory: Trajectory,
  history: History,
  allImages: boolean,
  transferred?: Transferred,
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const put = (path: string, content: Uint8Array | string): void => {
    files.set(path, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  };
  const { height, width } = history.image;
  const picture = (pixels: Float32Array): PngPicture => toPicture(pixels, height, width);
  const init = encodePng(picture(trajectory.initImage));
  const best = encodePng(picture(trajectory.bestImage));
  const frames = framesWithBest(trajectory);
  put('init.png', init);
  put('best.png', best);
  if (frames.length > 1) {
    put('strip.png', encodePng(makeStrip(frames.map((f) => picture(f.pixels)))));
  }
  if (allImages) {
    for (const { iteration, pixels } of trajectory.frames) {
      put(`iterations/${String(iteration).padStart(3, '0')}.png`, encodePng(picture(pixels)));
    }
  }
  const transfer = transferred && {
    init: encodePng(picture(transferred.init)),
    best: encodePng(picture(transferred.best)),
  };
  if (transfer) {
    put('transfer.png', transfer.best);
    if (history.config.mode !== 'no-optim') {
      put('transfer_init.png', transfer.init);
    }
  }
  const { shape, draw, source } = history.config.noise;
  put(
    'latents.safetensors',
    writeSafetensors(
      {
        init: { shape, data: drawNoise(shape, history.config.seed, draw, source) },
        best: { shape, data: trajectory.bestLatents },
      },
      { prompt: history.config.prompt, seed: String(history.config.seed), model: history.config.model },
    ),
  );
  put('history.json', `${JSON.stringify(history, null, 1)}\n`);
  const uri = (bytes: Uint8Array): string => dataUri('image/png', bytes);
  const images = {
    init: uri(init),
    best: uri(best),
    frames: frames.map(({ iteration, pixels }) => ({ iteration, uri: uri(encodePng(picture(pixels))) })),
    ...(transfer ? { transfer: { init: uri(transfer.init), best: uri(transfer.best) } } : {}),
  };
  put('report.html', renderReport(history, images));
  return files;
}

/** Some of the frames at even distances, and the best picture in its place among them. */
function framesWithBest(trajectory: Trajectory): { iteration: number; pixels: Float32Array }[] {
  const { records, frames } = trajectory;
  const shown = new Set(stripIterations(records.length).map((i) => at(records, i).iteration));
  const best = { iteration: at(records, trajectory.best).iteration, pixels: trajectory.bestImage };
  const others = frames.filter((f) => shown.has(f.iteration) && f.iteration !== best.iteration);
  return [...others, best].sort((a, b) => a.iteration - b.iteration);
}
