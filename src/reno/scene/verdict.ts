/**
 * Decides from the evaluator's grid whether a picture is right: a fixed rule, after GenEval's (Ghosh et al., 2310.11513) but stricter.
 * It is the same rule as python/pocket/evaluator.py, and for several relations as python/pocket96/judge.py; docs/pocket-rewards.md states
 * it in words.
 */
import type { Config } from '../../models/checkpoint/config.ts';
import { at } from '../../tensor/types.ts';

export const RELATIONS = ['left of', 'right of', 'above', 'below'] as const;
type Relation = (typeof RELATIONS)[number];

/** Object `a` is `rel` object `b`; both are positions in a scene's `objects`. */
export interface SceneRelation {
  readonly a: number;
  readonly rel: Relation;
  readonly b: number;
}

/** The objects and the relations that a prompt asks for, as in weights/pocket/heldout_prompts.json. */
export interface ScenePrompt {
  readonly objects: readonly { readonly name: string; readonly color: string | null; readonly count: number }[];
  /** The relation, where there is one. */
  readonly relation: SceneRelation | null;
  /** The relations, where there are several: `relation` is null then. */
  readonly relations?: readonly SceneRelation[];
}

/** The relations of a scene, however many there are. */
export const relationsOf = ({ relation, relations }: ScenePrompt): readonly SceneRelation[] =>
  relations ?? (relation ? [relation] : []);

export interface Detection {
  readonly object: string;
  readonly colour: string;
  /** Centre in pixels. */
  readonly x: number;
  readonly y: number;
  /** Objectness logit. */
  readonly score: number;
}

/** The meaning of the evaluator's grid, from its config.json. */
export interface VerdictConfig {
  /** The number of cells a side. */
  readonly grid: number;
  /** The number of pixels a side of a cell. */
  readonly cell: number;
  readonly objects: readonly string[];
  readonly colours: readonly string[];
  /** First channel of each group of logits. */
  readonly channels: {
    readonly objectness: number;
    readonly class: number;
    readonly colour: number;
    readonly total: number;
  };
  /** Smallest objectness probability of a detection. */
  readonly threshold: number;
  /** The distance in cells (Chebyshev) within which a detection must be the strongest. */
  readonly peakRadius: number;
  /** Pixels by which each offset between two centres is shortened before its direction is computed. */
  readonly relationMargin: number;
  /** A relation holds when the cosine between the offset and its direction is larger than this. */
  readonly relationCosine: number;
}

export function verdictConfig(config: Config): VerdictConfig {
  const output = config.section('output');
  const thresholds = config.section('thresholds');
  const channels = output.section('channels');
  const objects = config.strings('objects');
  const colours = config.strings('colours');
  const start = (key: string, width: number): number => {
    const range = channels.value(key);
    const [from, to] = Array.isArray(range) ? range : [];
    return Number.isSafeInteger(from) && to - from === width
      ? from
      : channels.fail(key, `must be a range of ${width} channels`);
  };
  const [objectness, kind, colour] = [
    start('objectness', 1),
    start('class', objects.length),
    start('colour', colours.length),
  ];
  return {
    grid: output.count('grid'),
    cell: output.count('cell'),
    objects,
    colours,
    channels: { objectness, class: kind, colour, total: 1 + objects.length + colours.length },
    threshold: thresholds.number('objectness'),
    peakRadius: thresholds.number('peak_radius'),
    relationMargin: thresholds.number('relation_margin_px'),
    relationCosine: thresholds.number('relation_cosine'),
  };
}

/**
 * The detections in one image's grid [h,w,channels], most certain first: the cells whose objectness reaches the threshold
 * and is the largest nearby (among equal cells the first in row-major order).
 */
export function detect(grid: ArrayLike<number>, config: VerdictConfig): Detection[] {
  const { grid: n, cell, channels, peakRadius: r } = config;
  const logit = (x: number, y: number, channel: number): number => at(grid, (y * n + x) * channels.total + channel);
  const objectness = (x: number, y: number): number => logit(x, y, channels.objectness);
  const floor = Math.log(config.threshold / (1 - config.threshold));
  const isPeak = (x: number, y: number, score: number): boolean => {
    for (let yy = Math.max(0, y - r); yy < Math.min(n, y + r + 1); yy++) {
      for (let xx = Math.max(0, x - r); xx < Math.min(n, x + r + 1); xx++) {
        const other = objectness(xx, yy);
        if (other > score || (other === score && (yy < y || (yy === y && xx < x)))) {
          return false;
        }
      }
    }
    return true;
  };
  const found: Detection[] = [];
  for (let y = 0; y < n; y++) {
    for (let x = 0; x < n; x++) {
      const score = objectness(x, y);
      if (score >= floor && isPeak(x, y, score)) {
        const best = (names: readonly string[], first: number): string =>
          names.reduce((winner, name, i) =>
            logit(x, y, first + i) > logit(x, y, first + names.indexOf(winner)) ? name : winner,
          );
        found.push({
          object: best(config.objects, channels.class),
          colour: best(config.colours, channels.colour),
          x: (x + 0.5) * cell,
          y: (y + 0.5) * cell,
          score,
        });
      }
    }
  }
  return found.sort((a, b) => b.score - a.score);
}

export interface Verdict {
  readonly right: boolean;
  /** The first fault, or `right`. */
  readonly reason: string;
}

/** A picture is right iff it has exactly the requested objects, in their numbers, colours and relations. */
export function judge(detections: readonly Detection[], prompt: ScenePrompt, config: VerdictConfig): Verdict {
  const reason =
    wrongCount(detections, prompt) ?? wrongColour(detections, prompt) ?? wrongRelation(detections, prompt, config);
  return { right: reason === undefined, reason: reason ?? 'right' };
}

function wrongCount(detections: readonly Detection[], prompt: ScenePrompt): string | undefined {
  const want = new Map<string, number>();
  for (const { name, count } of prompt.objects) {
    want.set(name, (want.get(name) ?? 0) + count);
  }
  const have = new Map<string, number>();
  for (const { object } of detections) {
    have.set(object, (have.get(object) ?? 0) + 1);
  }
  const name = [...new Set([...want.keys(), ...have.keys()])]
    .sort()
    .find((k) => (want.get(k) ?? 0) !== (have.get(k) ?? 0));
  return name && `${name}: expected ${want.get(name) ?? 0}, found ${have.get(name) ?? 0}`;
}

function wrongColour(detections: readonly Detection[], prompt: ScenePrompt): string | undefined {
  for (const { name, color, count } of prompt.objects) {
    const found = detections.filter((d) => d.object === name && d.colour === color).length;
    if (color && found < count) {
      return `${color} ${name}: expected ${count}, found ${found}`;
    }
  }
  return undefined;
}

function wrongRelation(
  detections: readonly Detection[],
  prompt: ScenePrompt,
  config: VerdictConfig,
): string | undefined {
  const named = (i: number): Detection | undefined => detections.find((d) => d.object === at(prompt.objects, i).name);
  for (const { a, rel, b } of relationsOf(prompt)) {
    const [first, second] = [named(a), named(b)];
    if (!first || !second) {
      return 'an object of the relation is missing';
    }
    if (!relationHolds(first, rel, second, config)) {
      return `${first.object} is not ${rel} ${second.object}`;
    }
  }
  return undefined;
}

/** GenEval's rule for a relation: for diagonal neighbours, two relations such as `left of` and `above` can hold. */
function relationHolds(a: Detection, rel: Relation, b: Detection, config: VerdictConfig): boolean {
  return relationsBetween(a, b, config).includes(rel);
}

/** The relations that object a has to object b, the clearest first; none where the two lie too close together. */
export function relationsBetween(a: Detection, b: Detection, config: VerdictConfig): Relation[] {
  const shorten = (v: number): number => Math.sign(v) * Math.max(Math.abs(v) - config.relationMargin, 0);
  const [dx, dy] = [shorten(a.x - b.x), shorten(a.y - b.y)];
  const along = { 'left of': -dx, 'right of': dx, above: -dy, below: dy };
  const least = config.relationCosine * Math.hypot(dx, dy);
  return RELATIONS.filter((rel) => along[rel] > least).sort((r, s) => along[s] - along[r]);
}
