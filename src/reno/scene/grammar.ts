/**
 * The small language of the pocket models' captions, after python/pocket/scenes.py and python/pocket96/world.py: "a photo of" and one
 * or more things, each with a number or an article, perhaps a colour, and an object. Between two things stands `and` or a relation. In a
 * chain such as `a cat left of a duck above a tree` each relation is between the things beside it: the duck is above the tree.
 */
import { at } from '../../tensor/types.ts';
import { RELATIONS, relationsOf, type ScenePrompt, type SceneRelation } from './verdict.ts';

/** The words for things. The evaluator's config.json lists them. */
export interface SceneWords {
  readonly objects: readonly string[];
  readonly colours: readonly string[];
}

type Thing = ScenePrompt['objects'][number];

/** The numbers that captions spell, by their value. One object has an article instead. */
export const NUMBER_WORDS: Readonly<Record<number, string>> = { 2: 'two', 3: 'three', 4: 'four' };
/** The values of the words before a thing. */
const COUNTS: ReadonlyMap<string, number> = new Map([
  ['a', 1],
  ['an', 1],
  ...Object.entries(NUMBER_WORDS).map(([n, word]): [string, number] => [word, Number(n)]),
]);

const OPENING = 'a photo of';
/** Words of captions that name no thing, colour or number. */
export const FRAME_WORDS: readonly string[] = [
  ...new Set(['a', 'an', 'and', ...[OPENING, ...RELATIONS].flatMap((words) => words.split(' '))]),
];

export function plural(object: string): string {
  return /[^aeiou]y$/.test(object) ? `${object.slice(0, -1)}ies` : `${object}s`;
}

const withArticle = (words: string): string => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;

/** A thing as captions name it, such as `a red car` or `three butterflies`. A number without a word is spelt in digits. */
export function thingPhrase({ name, color, count }: Thing): string {
  const noun = count === 1 ? name : plural(name);
  const phrase = color === null ? noun : `${color} ${noun}`;
  return count === 1 ? withArticle(phrase) : `${NUMBER_WORDS[count] ?? count} ${phrase}`;
}

/** The things and their relations, such as `a cat left of a tree`. */
export function scenePhrase(scene: ScenePrompt): string {
  const relations = relationsOf(scene);
  const [first] = relations;
  const phrase = (i: number): string => thingPhrase(at(scene.objects, i));
  return first === undefined
    ? scene.objects.map(thingPhrase).join(' and ')
    : [phrase(first.a), ...relations.map(({ rel, b }) => `${rel} ${phrase(b)}`)].join(' ');
}

/** The caption of a scene, in the wording that the pocket models were trained on. */
export const sceneCaption = (scene: ScenePrompt): string => `${OPENING} ${scenePhrase(scene)}`;

/** Splits a caption into its things and, between them, their relations. */
const BETWEEN = new RegExp(` (${RELATIONS.join('|')}) `);

/** The meaning of a prompt, or null where it is no caption of this language. Case, a full stop and "a photo of" do not matter. */
export function parseScene(prompt: string, words: SceneWords): ScenePrompt | null {
  const text = prompt
    .toLowerCase()
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/\s?\.$/, '')
    .replace(new RegExp(`^${OPENING} `), '');
  const parts = text.split(BETWEEN);
  const [things, between] = [0, 1].map((odd) => parts.filter((_, i) => i % 2 === odd)) as [string[], string[]];
  const objects = (between.length > 0 ? things : text.split(' and ')).map((thing) => parseThing(thing, words));
  if (!objects.every((thing) => thing !== null)) {
    return null;
  }
  const relations = between.map((rel, i) => ({ a: i, rel: rel as SceneRelation['rel'], b: i + 1 }));
  const [relation = null, ...more] = relations;
  if (relation && new Set(objects.map(({ name }) => name)).size < objects.length) {
    return null; // Which of two cats a relation is about, nobody can say.
  }
  return more.length > 0 ? { objects, relation: null, relations } : { objects, relation };
}

function parseThing(text: string, { objects, colours }: SceneWords): Thing | null {
  const parts = text.split(' ');
  const count = COUNTS.get(parts[0] ?? '');
  const rest = count === undefined ? parts : parts.slice(1);
  const color = colours.find((c) => c === rest[0]) ?? null;
  const noun = (color === null ? rest : rest.slice(1)).join(' ');
  const name = objects.find((object) => ((count ?? 1) === 1 ? object : plural(object)) === noun);
  return name === undefined ? null : { name, color, count: count ?? 1 };
}
