/**
 * Folders that the benchmarks' own evaluators read as they are. Sources: djghosh13/geneval, evaluation/evaluate_images.py;
 * Karine-Huang/T2I-CompBench, BLIPvqa_eval/BLIP_vqa.py; facebookresearch/GenEval2, README ("image_filepath_data").
 */

import { UsageError } from '../../../src/cli/usage_error.ts';
import { fileName } from '../../../src/reno/tasks/file_name.ts';
import type { Picture } from '../results/results.ts';
import type { ListName, PromptEntry } from './benchmark_lists.ts';

/** A file of a layout: a picture of a job, or a text. */
export type LayoutFile = { readonly path: string } & ({ readonly picture: Picture } | { readonly text: string });

/**
 * The files of one method, with paths inside its folder.
 * - GenEval: `00000/metadata.jsonl`, `00000/samples/00000.png`: a folder for each prompt, a picture for each seed.
 * - T2I-CompBench: `samples/PROMPT_000000.png`: the evaluator takes the prompt from the name up to the first `_` and sorts by the
 *   number. `prompts.jsonl` beside the folder has the prompts uncut.
 * - GenEval 2: `00000/00000.png`, and `image_paths_SEED.json` from prompts to pictures for each seed.
 * - others: `00000_PROMPT/00000.png`, a folder for each prompt.
 */
export function layout(
  list: ListName,
  entries: ReadonlyMap<number, PromptEntry>,
  pictures: readonly Picture[],
): LayoutFile[] {
  const seeds = [...new Set(pictures.map(({ listSeed }) => listSeed))].sort((a, b) => a - b);
  const five = (n: number): string => String(n).padStart(5, '0');
  const source = (index: number): string => entries.get(index)?.source ?? '';
  switch (list) {
    case 'geneval':
      return [
        ...pictures.map((picture) => ({
          path: `${five(picture.index)}/samples/${five(picture.listSeed)}.png`,
          picture,
        })),
        ...indices(pictures).map((index) => ({ path: `${five(index)}/metadata.jsonl`, text: `${source(index)}\n` })),
      ];
    case 't2i-compbench': {
      const numbered = pictures.map((picture) => {
        const id = picture.index * seeds.length + seeds.indexOf(picture.listSeed);
        return { id, picture, path: `samples/${fileName('', picture.prompt, `_${String(id).padStart(6, '0')}.png`)}` };
      });
      const lines = numbered.map(({ id, path, picture: { prompt, listSeed } }) =>
        JSON.stringify({ id, file: path, prompt, seed: listSeed }),
      );
      return [
        ...numbered.map(({ path, picture }) => ({ path, picture })),
        { path: 'prompts.jsonl', text: `${lines.join('\n')}\n` },
      ];
    }
    case 'geneval2':
      return [
        ...pictures.map((picture) => ({ path: `${five(picture.index)}/${five(picture.listSeed)}.png`, picture })),
        ...seeds.map((seed) => {
          const own = pictures.filter(({ listSeed }) => listSeed === seed);
          const paths = own.map(({ prompt, index }) => [prompt, `${five(index)}/${five(seed)}.png`] as const);
          return {
            path: `image_paths_${five(seed)}.json`,
            text: `${JSON.stringify(Object.fromEntries(paths), null, 1)}\n`,
          };
        }),
      ];
    default:
      return pictures.map((picture) => {
        const folder = fileName(`${five(picture.index)}_`, [...picture.prompt].slice(0, 150).join(''), '');
        return { path: `${folder}/${five(picture.listSeed)}.png`, picture };
      });
  }
}

function indices(pictures: readonly Picture[]): number[] {
  return [...new Set(pictures.map(({ index }) => index))];
}

/** Checks that the list's evaluator can read the pictures of every prompt. @throws UsageError naming the prompt that it would misread */
export function assertLayoutFits(list: ListName, entries: readonly PromptEntry[]): void {
  if (list === 't2i-compbench') {
    const broken = entries.find(({ prompt }) => prompt.includes('_'));
    if (broken) {
      throw new UsageError(
        `prompt ${broken.index + 1}, "${broken.prompt}", has a "_": T2I-CompBench's evaluator would read its name only up to there; use --list prompts`,
      );
    }
  }
  if (list === 'geneval2') {
    const seen = new Set<string>();
    const twice = entries.find(({ prompt }) => seen.size === seen.add(prompt).size);
    if (twice) {
      throw new UsageError(
        `the prompt "${twice.prompt}" stands twice in the list: GenEval 2's evaluator takes one picture for each prompt`,
      );
    }
  }
}
