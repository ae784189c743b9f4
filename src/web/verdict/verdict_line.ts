/** The verdict on a picture as a line of the page: what was asked for, what was found, and whether they agree. */
import { parseScene } from '../../reno/scene/grammar.ts';
import { judge } from '../../reno/scene/verdict.ts';
import { type VerdictWords, verdictLine, verdictWords } from '../../reno/scene/verdict_words.ts';
import type { Sight } from '../engine/protocol.ts';

/** Returns what was asked and found in words, and whether they agree. */
export function judgement(prompt: string, { detections, config }: Sight): VerdictWords {
  const scene = parseScene(prompt, config);
  return verdictWords(scene, { detections, verdict: scene && judge(detections, scene, config) }, config);
}

/** Returns a verdict for a screen reader, which does not read the mark at its end. */
export const spokenVerdict = (words: VerdictWords): string =>
  `${verdictLine({ ...words, right: null })}${words.right === null ? '' : words.right ? ', right' : ', wrong'}.`;

/** Writes a verdict into its line, and marks the figure or the list's item around it; null: there is none. */
export function writeVerdict(line: HTMLElement, words: VerdictWords | null): void {
  const figure = line.closest('figure, li');
  figure?.classList.toggle('is-right', words?.right === true);
  figure?.classList.toggle('is-wrong', words?.right === false);
  line.replaceChildren();
  if (!words) {
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
