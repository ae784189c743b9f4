/** grid.png: pictures before and after ReNO, for each category the first of the list. */
import { makeStrip, stack } from '../../src/cli/generate/strip.ts';
import { decodePng, encodePng, type PngPicture } from '../../src/platform/node/png.ts';
import type { BenchTask } from '../prompt_bench/bench_task.ts';
import { pictureFile } from '../prompt_bench/jobs/job_result.ts';
import type { ResultsPlace } from '../prompt_bench/stores/results_place.ts';

const PAIRS = 3;

/** Writes the grid where its runs are all there. They are chosen by their place in the list, not by how they came out. */
export async function writeGrid({ jobs, entries, comparison, seeds }: BenchTask, place: ResultsPlace): Promise<void> {
  const method = comparison.methods.find(({ name }) => name.startsWith('reno-'));
  if (!method) {
    return;
  }
  const first = jobs.filter(({ arm, listSeed }) => arm === method.arm && listSeed === seeds[0]);
  const categories = [...new Set(first.map(({ index }) => entries.get(index)?.category))];
  const strips: PngPicture[] = [];
  for (const category of categories) {
    const shown = first.filter(({ index }) => entries.get(index)?.category === category).slice(0, PAIRS);
    const pictures: PngPicture[] = [];
    for (const { key } of shown) {
      for (const name of ['init.png', pictureFile(method)]) {
        const bytes = await place.store.read(key, name);
        if (!bytes) {
          return;
        }
        pictures.push(decodePng(bytes));
      }
    }
    strips.push(makeStrip(pictures));
  }
  if (strips.length > 0 && strips.every(({ width }) => width === strips[0]?.width)) {
    await place.write('grid.png', encodePng(stack(strips)));
  }
}
