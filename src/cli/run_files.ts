/** Writes the files of one run. */

import { writeSafetensors } from '../models/checkpoint/safetensors/write_safetensors.ts';
import { encodePng, type PngPicture, toPicture } from '../platform/node/png.ts';
import type { History } from '../reno/history.ts';
import { dataUri } from '../reno/html.ts';
import type { Trajectory } from '../reno/loop.ts';
import { drawNoise } from '../reno/noise/draw_noise.ts';
import { renderReport } from '../reno/report.ts';
import type { Transferred } from '../reno/transfer.ts';
import { at } from '../tensor/types.ts';
import type { OutFolder } from './out_folder.ts';
import { makeStrip, stripIterations } from './strip.ts';

/** Writes pictures, history, latents and report; the report last, as the sign of a complete folder. */
export function writeRun(
  folder: OutFolder,
  trajectory: Trajectory,
  history: History,
  allImages: boolean,
  transferred?: Transferred,
): void {
  const { height, width } = history.image;
  const picture = (pixels: Float32Array): PngPicture => toPicture(pixels, height, width);
  const init = encodePng(picture(trajectory.initImage));
  const best = encodePng(picture(trajectory.bestImage));
  const frames = framesWithBest(trajectory);
  folder.write('init.png', init);
  folder.write('best.png', best);
  if (frames.length > 1) {
    folder.write('strip.png', encodePng(makeStrip(frames.map((f) => picture(f.pixels)))));
  }
  if (allImages) {
    for (const { iteration, pixels } of trajectory.frames) {
      folder.write(`iterations/${String(iteration).padStart(3, '0')}.png`, encodePng(picture(pixels)));
    }
  }
  const transfer = transferred && {
    init: encodePng(picture(transferred.init)),
    best: encodePng(picture(transferred.best)),
  };
  if (transfer) {
    folder.write('transfer.png', transfer.best);
    if (history.config.mode !== 'no-optim') {
      folder.write('transfer_init.png', transfer.init);
    }
  }
  const { shape, draw, source } = history.config.noise;
  folder.write(
    'latents.safetensors',
    writeSafetensors(
      {
        init: { shape, data: drawNoise(shape, history.config.seed, draw, source) },
        best: { shape, data: trajectory.bestLatents },
      },
      { prompt: history.config.prompt, seed: String(history.config.seed), model: history.config.model },
    ),
  );
  folder.write('history.json', `${JSON.stringify(history, null, 1)}\n`);
  const uri = (bytes: Uint8Array): string => dataUri('image/png', bytes);
  const images = {
    init: uri(init),
    best: uri(best),
    frames: frames.map(({ iteration, pixels }) => ({ iteration, uri: uri(encodePng(picture(pixels))) })),
    ...(transfer ? { transfer: { init: uri(transfer.init), best: uri(transfer.best) } } : {}),
  };
  folder.write('report.html', renderReport(history, images));
}

/** Some of the frames at even distances, and the best picture in its place among them. */
function framesWithBest(trajectory: Trajectory): { iteration: number; pixels: Float32Array }[] {
  const { records, frames } = trajectory;
  const shown = new Set(stripIterations(records.length).map((i) => at(records, i).iteration));
  const best = { iteration: at(records, trajectory.best).iteration, pixels: trajectory.bestImage };
  const others = frames.filter((f) => shown.has(f.iteration) && f.iteration !== best.iteration);
  return [...others, best].sort((a, b) => a.iteration - b.iteration);
}
