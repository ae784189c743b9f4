/** GenEval's objects and their numbers in the boxes of a detector, by the rules of its evaluate_images.py; no colours, no positions. */
import { promptMetadata } from '../../../src/reno/tasks/prompt_list.ts';
import type { CocoBox } from './coco_boxes.ts';

/** A detector's judgement of a picture's objects. */
export interface ObjectScore {
  readonly right: boolean;
  /** The objects that are missing or too many; null where there are none. */
  readonly reason: string | null;
}

interface Clause {
  readonly class: string;
  readonly count: number;
}

/** @param source the entry's line of evaluation_metadata.jsonl */
export function objectScore(source: string, boxes: readonly CocoBox[]): ObjectScore {
  const metadata: Readonly<Record<string, unknown>> = promptMetadata(source) ?? {};
  const count = (name: string): number => boxes.filter((box) => box.name === name).length;
  const reasons = [
    ...clauses(metadata.include)
      .filter((clause) => count(clause.class) < clause.count)
      .map((clause) => `expected ${clause.class}>=${clause.count}, found ${count(clause.class)}`),
    ...clauses(metadata.exclude)
      .filter((clause) => count(clause.class) >= clause.count)
      .map((clause) => `expected ${clause.class}<${clause.count}, found ${count(clause.class)}`),
  ];
  return { right: reasons.length === 0, reason: reasons.length === 0 ? null : reasons.join('; ') };
}

function clauses(value: unknown): Clause[] {
  const isClause = (item: unknown): item is Clause =>
    typeof item === 'object' && item !== null && 'class' in item && 'count' in item && typeof item.count === 'number';
  return Array.isArray(value) ? value.filter(isClause) : [];
}
