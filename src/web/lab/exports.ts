/** Saves pictures, the run as a GIF or a film, its numbers and its noise as files. */
import type { ImageSize } from '../../reno/report/picture.ts';
import { fileName } from '../../reno/tasks/file_name.ts';
import { element } from '../elements.ts';
import { framePng } from '../share/draw_frame.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { Outcome, ShownRun, Studio } from '../state/studio_state.ts';
import { errorSentence } from '../words.ts';
import { makeGif } from './gif.ts';
import { latentsFile } from './latents_file.ts';
import { makeWebm, webmType } from './webm.ts';

/** Small pictures are saved enlarged to about this many pixels a side. */
const SIDE = 256;
const GIF = { delay: 80, rest: 1200 };
const WEBM = { delay: 60, rest: 800 };

export function mountExports(studio: Studio): void {
  const said = element('lab-said', HTMLParagraphElement);
  const bind = (id: string, save: (run: ShownRun) => Promise<File>): void => {
    element(id, HTMLButtonElement).addEventListener('click', async () => {
      const { run } = studio.state;
      try {
        if (run) {
          const file = await save(run);
          download(file);
          said.textContent = `Saved ${file.name} (${Math.ceil(file.size / 1000)} kB).`;
        }
      } catch (error) {
        said.textContent = errorSentence(error);
      }
    });
  };
  const named = (run: ShownRun, after: string): string =>
    fileName('', run.settings.prompt, ` seed ${run.settings.seed}${after}`);
  const ended = ({ outcome }: ShownRun): Outcome => {
    if (!outcome) {
      throw new Error('the run has not ended yet: this file is made when it has');
    }
    return outcome;
  };

  bind('save-png', async (run) => {
    const frame = shownFrame(studio.state);
    if (!frame) {
      throw new Error('there is no picture yet');
    }
    const blob = await framePng(frame, run.size, scaleOf(run.size));
    return new File([blob], named(run, ` iteration ${frame.iteration}.png`), { type: 'image/png' });
  });
  bind('save-gif', async (run) => {
    const pictures = run.frames.map(({ pixels }) => pixels);
    const bytes = await makeGif(pictures, run.size, { scale: scaleOf(run.size), ...GIF });
    return new File([bytes], named(run, '.gif'), { type: 'image/gif' });
  });
  // Only a browser that records can offer it.
  element('save-webm', HTMLButtonElement).hidden = webmType() === undefined;
  bind('save-webm', async (run) => {
    said.textContent = 'Recording the film, as fast as it plays…';
    const film = await makeWebm(run.frames, run.size, { scale: scaleOf(run.size), ...WEBM });
    return new File([film], named(run, '.webm'), { type: 'video/webm' });
  });
  bind('save-history', async (run) => {
    const text = `${JSON.stringify(ended(run).history, null, 1)}\n`;
    return new File([text], named(run, ' history.json'), { type: 'application/json' });
  });
  bind('save-latents', async (run) => {
    const { history, bestLatents } = ended(run);
    if (!bestLatents) {
      throw new Error('the recording holds no noise: run the prompt here to save it');
    }
    return new File([latentsFile(history, bestLatents)], named(run, ' latents.safetensors'));
  });
}

const scaleOf = ({ height, width }: ImageSize): number => Math.max(1, Math.floor(SIDE / Math.max(height, width)));

function download(file: File): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
