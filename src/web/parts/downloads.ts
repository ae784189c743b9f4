/** Offers the results of a finished run: its picture, also enlarged, a share card, a link, and its report. */
import { renderReport } from '../../reno/report/report.ts';
import { fileName } from '../../reno/tasks/file_name.ts';
import { button, element } from '../elements.ts';
import { withSettingsIn } from '../share/address.ts';
import { drawFrame, framePng } from '../share/draw_frame.ts';
import { withRecipe } from '../share/recipe.ts';
import { type CardWords, shareCard } from '../share/share_card.ts';
import type { Outcome, ShownFrame, ShownRun, Studio } from '../state/studio_state.ts';

/** Pictures in the report's strip. */
const STRIP = 8;
/** Smaller pictures are also offered enlarged, to about this many pixels a side. */
const ENLARGED = 512;

/** @param wordsFor the verdicts for the card */
export function mountDownloads(studio: Studio, wordsFor: (run: ShownRun) => Promise<CardWords>): void {
  const list = element('downloads', HTMLDivElement);
  let offered: ShownRun | null = null;
  studio.watch(['run', 'phase'], ({ run, phase }) => {
    const finished = run?.source === 'live' && run.outcome && phase !== 'running' ? run : null;
    if (finished === offered) {
      return;
    }
    offered = finished;
    list.hidden = true;
    for (const link of list.querySelectorAll('a')) {
      URL.revokeObjectURL(link.href);
    }
    if (finished?.outcome) {
      void offer(finished, finished.outcome, wordsFor).then((parts) => {
        if (offered === finished) {
          list.replaceChildren(...parts);
          list.hidden = false;
        }
      });
    }
  });
}

async function offer(
  run: ShownRun,
  outcome: Outcome,
  wordsFor: (run: ShownRun) => Promise<CardWords>,
): Promise<HTMLElement[]> {
  const best = run.frames[run.best];
  if (!best) {
    return [];
  }
  const { prompt, seed } = run.settings;
  const { width, height } = run.size;
  const link = (label: string, after: string, blob: Blob): HTMLAnchorElement => {
    const made = document.createElement('a');
    made.href = URL.createObjectURL(blob);
    made.download = fileName('', prompt, ` seed ${seed}${after}`);
    made.textContent = label;
    return made;
  };
  const picture = async (scale: number): Promise<Blob> => {
    const png = new Uint8Array(await (await framePng(best, run.size, scale)).arrayBuffer());
    return new Blob([withRecipe(png, outcome.history)], { type: 'image/png' });
  };
  const scale = Math.floor(ENLARGED / Math.max(width, height));
  const [wide, high] = [width * scale, height * scale];
  const enlarged =
    scale > 1 ? [link(`Save it enlarged (${wide}×${high})`, ` ${wide}x${high}.png`, await picture(scale))] : [];
  const words = await wordsFor(run);
  return [
    link(`Save the picture (${width}×${height})`, '.png', await picture(1)),
    ...enlarged,
    link('Save a card to share', ' card.png', await shareCard(run, words)),
    link('Save the report', ' report.html', new Blob([report(run, best, outcome)], { type: 'text/html' })),
    copyButton(withSettingsIn(location.href, run.settings)),
  ];
}

function copyButton(address: string): HTMLButtonElement {
  const made = button('Copy a link to this run', () => {
    // Without TLS, or when it is forbidden, there is no clipboard.
    const copied = navigator.clipboard?.writeText(address) ?? Promise.reject(new Error('no clipboard'));
    copied.then(
      () => {
        made.textContent = 'The link is copied';
      },
      () => {
        prompt('Copy this link:', address);
      },
    );
  });
  return made;
}

function report(run: ShownRun, best: ShownFrame, { history }: Outcome): string {
  const every = Math.max(1, Math.ceil(run.frames.length / STRIP));
  const frames = run.frames.filter((frame) => frame.iteration % every === 0 || frame === best);
  const uri = (frame: ShownFrame): string => {
    const canvas = document.createElement('canvas');
    drawFrame(canvas, frame, run.size);
    return canvas.toDataURL('image/png');
  };
  const strip = new Map(frames.map((frame) => [frame, uri(frame)]));
  const uriOf = (frame: ShownFrame): string => strip.get(frame) ?? uri(frame);
  return renderReport(history, {
    init: uriOf(run.frames[0] ?? best),
    best: uriOf(best),
    frames: [...strip].map(([{ iteration }, uri]) => ({ iteration, uri })),
  });
}
