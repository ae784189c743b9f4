/** The words that the pocket models learnt, and those of a prompt that they never saw. */
import { FRAME_WORDS, NUMBER_WORDS, plural, type SceneWords } from './grammar.ts';
import { RELATIONS } from './verdict.ts';

/** A word of a prompt: it stands from `start` to `end` (exclusive) in the text. */
export interface PromptWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/** Every word of the captions that the pocket models were trained on. */
export function learntWords({ objects, colours }: SceneWords): ReadonlySet<string> {
  return new Set([...FRAME_WORDS, ...Object.values(NUMBER_WORDS), ...colours, ...objects, ...objects.map(plural)]);
}

/** The words of a prompt that no caption had, in their order. Case and punctuation do not matter. */
export function unknownWords(prompt: string, words: SceneWords): PromptWord[] {
  const learnt = learntWords(words);
  return [...prompt.matchAll(/[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu)]
    .map(({ 0: word, index }) => ({ word, start: index, end: index + word.length }))
    .filter(({ word }) => !learnt.has(word.toLowerCase()));
}

/** A list in words, such as `red, green or blue`. */
function listed(items: readonly string[], last: 'and' | 'or'): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`;
}

/** One sentence on the words that a prompt has too many; empty where there are none. */
export function unknownSentence(unknown: readonly PromptWord[]): string {
  const names = [...new Set(unknown.map(({ word }) => word.toLowerCase()))].map((word) => `“${word}”`);
  return names.length === 0
    ? ''
    : `The pocket models never learnt ${listed(names, 'or')}: the picture cannot show ${names.length === 1 ? 'it' : 'them'}.`;
}

/** One sentence on what the pocket models know. */
export function knownSentence({ objects, colours }: SceneWords): string {
  const numbers = Object.values(NUMBER_WORDS);
  return (
    `They know ${objects.length} objects (${listed(objects, 'and')}), ${colours.length} colours (${listed(colours, 'and')}), ` +
    `the numbers ${numbers[0]} to ${numbers.at(-1)}, and the words ${listed(
      [...RELATIONS, 'and'].map((w) => `“${w}”`),
      'and',
    )}.`
  );
}
