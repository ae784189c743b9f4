/** The evaluator's verdict beside each picture: boxes around what it found, and the scene that was asked for and found, in words. */
import { parseScene } from '../../reno/scene/grammar.ts';
import { type VerdictWords, verdictLine, verdictWords } from '../../reno/scene/verdict_words.ts';
import { judge } from '../../reno/verdict.ts';
import { element } from '../elements.ts';
import type { Sight } from '../engine/protocol.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { ShownFrame, ShownRun, Studio, StudioState } from '../state/studio_state.ts';
import { drawBoxes } from './boxes.ts';
import type { Sights } from './sights.ts';

const PICTURES = ['init', 'best', 'now'] as const;
type PictureName = (typeof PICTURES)[number];

/** The pictures' side that the evaluator was trained on. */
const SIDE = 64;

export function mountVerdicts(studio: Studio, sights: Sights): void {
  const section = element('pictures', HTMLElement);
  const note = element('evaluator', HTMLElement);
  const boxes = element('boxes', HTMLInputElement);
  const spoken = element('verdict-announcement', HTMLParagraphElement);
  let announced: ShownRun | null = null;

  boxes.addEventListener('change', () => section.classList.toggle('plain', !boxes.checked));
  const show = (): void => {
    const { run } = studio.state;
    const judged = run !== null && run.size.height === SIDE && run.size.width === SIDE;
    note.hidden = !judged;
    const frames = shownFrames(studio.state);
    if (judged) {
      const wanted = PICTURES.flatMap((name) => frames[name] ?? []);
      sights.want(run.source === 'live' ? wanted : [], run.size);
    }
    for (const name of PICTURES) {
      const frame = frames[name];
      const sight = frame && sights.of(frame);
      if (!sight) {
        // A newer picture waits for its verdict; the older one's words stay until then, its boxes do not.
        write(name, null, run && frame ? undefined : '');
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
  studio.watch(['run', 'shown'], show);
}

function shownFrames(state: StudioState): Partial<Record<PictureName, ShownFrame | undefined>> {
  const { run } = state;
  return { init: run?.frames[0], best: run?.frames[run.best], now: shownFrame(state) };
}

/** Returns what was asked and found in words, and whether they agree. */
export function judgement(prompt: string, { detections, config }: Sight): VerdictWords {
  const scene = parseScene(prompt, config);
  return verdictWords(scene, { detections, verdict: scene && judge(detections, scene, config) }, config);
}

const spokenVerdict = (words: VerdictWords): string =>
  `${verdictLine({ ...words, right: null })}${words.right === null ? '' : words.right ? ', right' : ', wrong'}.`;

function write(name: PictureName, sight: Sight | null, words: VerdictWords | '' | undefined): void {
  const line = element(`${name}-verdict`, HTMLParagraphElement);
  const figure = line.closest('figure');
  drawBoxes(element(`${name}-boxes`, SVGSVGElement), sight);
  if (words === undefined) {
    return;
  }
  figure?.classList.toggle('is-right', words !== '' && words.right === true);
  figure?.classList.toggle('is-wrong', words !== '' && words.right === false);
  line.replaceChildren();
  if (words === '') {
    return;
  }
  const { asked, found, right } = words;
  if (asked !== null) {
    line.append(span('asked', `asked: ${asked};`), ' ');
  }
  const answer = span('found', `found: ${found}`);
  if (right !== null) {
    const mark = span('mark', right ? '✓' : '✗');
    mark.setAttribute('role', 'img');
    mark.setAttribute('aria-label', right ? 'right' : 'wrong');
    answer.append('\u00a0', mark);
  }
  line.append(answer);
}

function span(css: string, text: string): HTMLSpanElement {
  const made = document.createElement('span');
  made.className = css;
  made.textContent = text;
  return made;
}
