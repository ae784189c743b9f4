/** The evaluator's verdict beside each picture: dots at the centres of what it found, and the scene that was asked for and found, in words. */
import type { VerdictWords } from '../../reno/scene/verdict_words.ts';
import { element } from '../elements.ts';
import type { Sight } from '../engine/protocol.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { ShownFrame, ShownRun, Studio, StudioState } from '../state/studio_state.ts';
import { drawCentres } from './centres.ts';
import type { Sights } from './sights.ts';
import { judgement, spokenVerdict, writeVerdict } from './verdict_line.ts';

const PICTURES = ['init', 'best', 'now'] as const;
type PictureName = (typeof PICTURES)[number];

/** The pictures' side that the evaluator was trained on. */
const SIDE = 96;

export function mountVerdicts(studio: Studio, sights: Sights): void {
  const section = element('pictures', HTMLElement);
  const note = element('evaluator', HTMLElement);
  const centres = element('centres', HTMLInputElement);
  const spoken = element('verdict-announcement', HTMLParagraphElement);
  let announced: ShownRun | null = null;

  centres.addEventListener('change', () => section.classList.toggle('plain', !centres.checked));
  const show = (): void => {
    const { run } = studio.state;
    const judged = run !== null && run.size.height === SIDE && run.size.width === SIDE;
    note.hidden = !judged;
    const frames = shownFrames(studio.state);
    if (judged) {
      const wanted = PICTURES.flatMap((name) => frames[name] ?? []);
      sights.want('pictures', run.source === 'live' ? wanted : [], run.size);
    }
    for (const name of PICTURES) {
      const frame = frames[name];
      const sight = frame && sights.of(frame);
      if (!sight) {
        // A newer picture waits for its verdict; the older one's words stay until then, its dots do not.
        write(name, null, run && frame ? undefined : null);
        continue;
      }
      write(name, sight, judgement(run?.settings.prompt ?? '', sight));
    }
    const best = frames.best && sights.of(frames.best);
    if (run?.outcome && best && announced !== run) {
      announced = run;
      spoken.textContent = `The best picture: ${spokenVerdict(judgement(run.settings.prompt, best))}`;
    }
  };
  sights.watch(show);
  // A run that was kept is shown before there is an engine that could look at it.
  studio.watch(['run', 'shown', 'engine'], show);
}

function shownFrames(state: StudioState): Partial<Record<PictureName, ShownFrame | undefined>> {
  const { run } = state;
  return { init: run?.frames[0], best: run?.frames[run.best], now: shownFrame(state) };
}

function write(name: PictureName, sight: Sight | null, words: VerdictWords | null | undefined): void {
  drawCentres(element(`${name}-centres`, SVGSVGElement), sight);
  if (words !== undefined) {
    writeVerdict(element(`${name}-verdict`, HTMLParagraphElement), words);
  }
}
