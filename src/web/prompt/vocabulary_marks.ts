/** Underlines the words that the pocket models never learnt, while one types, and says so in a sentence. */
import type { SceneWords } from '../../reno/scene/grammar.ts';
import { knownSentence, type PromptWord, unknownSentence, unknownWords } from '../../reno/scene/vocabulary.ts';
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

/** A screen reader hears the sentence when the typing rests for so many milliseconds. */
const REST = 600;

/** Behind the field lies the same text, invisible, with underlines: an input element cannot mark parts of its text. */
export function mountVocabularyMarks(studio: Studio, words: SceneWords): void {
  const input = element('prompt', HTMLInputElement);
  const marks = element('prompt-marks', HTMLDivElement);
  const sentence = element('prompt-words', HTMLParagraphElement);
  const spoken = element('prompt-announcement', HTMLParagraphElement);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const follow = (): void => {
    marks.scrollLeft = input.scrollLeft;
  };
  const show = (): void => {
    const { engine } = studio.state;
    const unknown = engine === null || engine.model === 'pocket' ? unknownWords(input.value, words) : [];
    marks.replaceChildren(...marked(input.value, unknown));
    follow();
    const text = unknown.length === 0 ? '' : `${unknownSentence(unknown)} ${knownSentence(words)}`;
    if (text !== sentence.textContent) {
      sentence.textContent = text;
      sentence.hidden = text === '';
      clearTimeout(timer);
      timer = setTimeout(() => {
        spoken.textContent = unknownSentence(unknown);
      }, REST);
    }
  };
  for (const event of ['input', 'scroll', 'keyup', 'click', 'blur']) {
    input.addEventListener(event, follow);
  }
  input.addEventListener('input', show);
  studio.watch(['settings', 'engine'], show);
}

function marked(text: string, unknown: readonly PromptWord[]): (string | HTMLElement)[] {
  let from = 0;
  const parts: (string | HTMLElement)[] = [];
  for (const { word, start, end } of unknown) {
    const mark = document.createElement('u');
    mark.textContent = word;
    parts.push(text.slice(from, start), mark);
    from = end;
  }
  return [...parts, text.slice(from)];
}
