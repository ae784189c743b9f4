/** Files of a finished run: its picture, also enlarged, and its report. */
import { fileName } from '../../reno/file_name.ts';
import { renderReport } from '../../reno/report.ts';
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import type { ShownFrame, ShownRun, Studio } from '../state/studio_state.ts';
import { drawFrame } from './pictures.ts';

/** Pictures in the report's strip. */
const STRIP = 8;
/** Smaller pictures are also offered enlarged, to about this many pixels a side. */
const ENLARGED = 512;

export function mountDownloads(studio: Studio, controller: RunController): void {
  const list = element('downloads', HTMLDivElement);
  studio.watch(['run', 'phase'], ({ run, phase }) => {
    const shows = run?.source === 'live' && run.finished && phase === 'ready' && controller.outcome !== null;
    if (list.hidden !== shows) {
      return;
    }
    list.hidden = !shows;
    for (const link of list.querySelectorAll('a')) {
      URL.revokeObjectURL(link.href);
    }
    list.replaceChildren();
    if (shows) {
      void offer(list, run, controller);
    }
  });
}

async function offer(list: HTMLDivElement, run: ShownRun, controller: RunController): Promise<void> {
  const best = run.frames[run.best];
  const { outcome } = controller;
  if (!best || !outcome) {
    return;
  }
  const { prompt, seed } = run.settings;
  const { width, height } = run.size;
  const add = (label: string, after: string, blob: Blob): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = fileName('', prompt, ` seed ${seed}${after}`);
    link.textContent = label;
    list.append(link);
  };
  add(`Save the picture (${width}×${height})`, '.png', await picturePng(best, run, 1));
  const scale = Math.floor(ENLARGED / Math.max(width, height));
  if (scale > 1) {
    const label = `Save it enlarged (${width * scale}×${height * scale})`;
    add(label, ` ${width * scale}x${height * scale}.png`, await picturePng(best, run, scale));
  }
  add('Save the report', ' report.html', new Blob([await report(run, controller)], { type: 'text/html' }));
}

/** A frame as a PNG, each pixel `scale` × `scale` large. */
async function picturePng(frame: ShownFrame, { size }: ShownRun, scale: number): Promise<Blob> {
  const small = document.createElement('canvas');
  drawFrame(small, frame, size);
  const large = document.createElement('canvas');
  large.width = size.width * scale;
  large.height = size.height * scale;
  const context = large.getContext('2d');
  if (context) {
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, large.width, large.height);
  }
  return new Promise((resolve, reject) => {
    large.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG'))), 'image/png');
  });
}

async function report(run: ShownRun, { outcome }: RunController): Promise<string> {
  const best = run.frames[run.best];
  const first = run.frames[0];
  if (!best || !first || !outcome) {
    throw new Error('the run has no pictures');
  }
  const every = Math.max(1, Math.ceil(run.frames.length / STRIP));
  const frames = run.frames.filter((frame) => frame.iteration % every === 0 || frame === best);
  const uri = (frame: ShownFrame): string => {
    const canvas = document.createElement('canvas');
    drawFrame(canvas, frame, run.size);
    return canvas.toDataURL('image/png');
  };
  return renderReport(outcome.history, {
    init: uri(first),
    best: uri(best),
    frames: frames.map((frame) => ({ iteration: frame.iteration, uri: uri(frame) })),
  });
}
