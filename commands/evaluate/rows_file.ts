/** rows.jsonl of an evaluation: a header, then a line for each picture that was judged, added as it comes. */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutFolder } from '../../src/cli/out_folder.ts';
import { type EvaluationHeader, type EvaluationRow, parseRows } from '../../src/reno/evaluation.ts';

/** One of several processes that share an evaluation: the prompts whose position leaves `index` modulo `count`. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

export class RowsFile {
  /** All rows of the folder, those of other parts too. */
  readonly rows: EvaluationRow[];
  readonly #path: string;

  /**
   * Reads what earlier runs and other parts left, and rewrites this part's own file without a line that was cut off.
   * @throws Error when a file belongs to other weights or settings
   */
  constructor(folder: OutFolder, header: EvaluationHeader, part: Part | null) {
    const own = part ? `rows.${part.index + 1}-of-${part.count}.jsonl` : 'rows.jsonl';
    const read = (name: string): EvaluationRow[] =>
      existsSync(join(folder.path, name)) ? parseRows(readFileSync(join(folder.path, name), 'utf8'), header) : [];
    const others = readdirSync(folder.path).filter((name) => /^rows\..*jsonl$/.test(name) && name !== own);
    const mine = read(own);
    this.rows = [...mine, ...others.flatMap(read)];
    this.#path = folder.write(own, [header, ...mine].map(line).join(''));
  }

  add(row: EvaluationRow): void {
    this.rows.push(row);
    appendFileSync(this.#path, line(row));
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
