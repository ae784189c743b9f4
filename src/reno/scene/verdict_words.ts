/** A verdict in words: the scene that was asked for, and the one that the evaluator found. */
import { NUMBER_WORDS, scenePhrase, thingPhrase } from './grammar.ts';
import {
  type Detection,
  relationsBetween,
  relationsOf,
  type ScenePrompt,
  type Verdict,
  type VerdictConfig,
} from './verdict.ts';

/** The evaluator's judgement of one picture. */
export interface Judged {
  /** The objects that it found, the most certain first. */
  readonly detections: readonly Detection[];
  /** Null where the prompt is no scene that the evaluator can judge. */
  readonly verdict: Verdict | null;
}

/** The two halves of a verdict, such as `three butterflies` and `two`. */
export interface VerdictWords {
  /** Null where the prompt cannot be judged. */
  readonly asked: string | null;
  readonly found: string;
  readonly right: boolean | null;
}

const SPELT = ['none', 'one', ...Object.values(NUMBER_WORDS), 'five', 'six', 'seven', 'eight', 'nine'];

/** Says in words what was asked for and what was found. @param scene null: the prompt is no scene of the pocket models */
export function verdictWords(
  scene: ScenePrompt | null,
  { detections, verdict }: Judged,
  config: VerdictConfig,
): VerdictWords {
  return {
    asked: scene && scenePhrase(scene),
    found: foundPhrase(scene, detections, config),
    right: verdict === null ? null : verdict.right,
  };
}

/** A verdict as one line: `asked: three butterflies; found: two ✗`. */
export function verdictLine({ asked, found, right }: VerdictWords): string {
  const mark = right === null ? '' : right ? ' ✓' : ' ✗';
  return asked === null ? `found: ${found}` : `asked: ${asked}; found: ${found}${mark}`;
}

function foundPhrase(scene: ScenePrompt | null, detections: readonly Detection[], config: VerdictConfig): string {
  if (detections.length === 0) {
    return 'nothing';
  }
  const things = countedThings(scene, detections);
  const [only] = scene?.objects ?? [];
  if (only && scene?.objects.length === 1 && only.color === null && only.count > 1) {
    const [thing, ...others] = things;
    if (thing && others.length === 0 && thing.name === only.name) {
      return SPELT[thing.count] ?? String(thing.count); // The object is named already.
    }
  }
  return relationPhrase(scene, detections, things.length, config) ?? things.map(thingPhrase).join(' and ');
}

/** The detections as things: with their colour where no scene is given, or where the scene gives that object one. */
function countedThings(scene: ScenePrompt | null, detections: readonly Detection[]): ScenePrompt['objects'] {
  const order = scene?.objects.map(({ name }) => name) ?? [];
  const isColoured = (object: string): boolean =>
    scene === null || scene.objects.some(({ name, color }) => name === object && color !== null);
  const counts = new Map<string, ScenePrompt['objects'][number]>();
  for (const { object, colour } of detections) {
    const color = isColoured(object) ? colour : null;
    const key = `${color} ${object}`;
    counts.set(key, { name: object, color, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return [...counts.values()].sort((a, b) => place(a.name) - place(b.name));
}

/** The relations between exactly the objects of a scene; null where others were found, or where there is no relation. */
function relationPhrase(
  scene: ScenePrompt | null,
  detections: readonly Detection[],
  things: number,
  config: VerdictConfig,
): string | null {
  const relations = scene ? relationsOf(scene) : [];
  const n = scene?.objects.length;
  if (!scene || relations.length === 0 || things !== n || detections.length !== n) {
    return null;
  }
  const found = scene.objects.map(({ name }) => detections.find(({ object }) => object === name));
  const parts: string[] = [];
  for (const { a, rel, b } of relations) {
    const [first, second] = [found[a], found[b]];
    if (!first || !second) {
      return null;
    }
    const held = relationsBetween(first, second, config);
    const shown = held.includes(rel) ? rel : (held[0] ?? 'at the place of');
    parts.push(...(parts.length === 0 ? [phrase(first)] : []), shown, phrase(second));
  }
  return parts.join(' ');
}

const phrase = ({ object }: Detection): string => thingPhrase({ name: object, color: null, count: 1 });
