/** Makes results.json, results.md, report.html and the evaluators' folders from the jobs that are done. */
import { toolVersion } from '../../../src/cli/flags/shared.ts';
import { concurrently } from '../../common/concurrently.ts';
import type { BenchTask } from '../bench_task.ts';
import type { CocoDetector } from '../detector/coco_detector.ts';
import { objectScore } from '../detector/object_score.ts';
import type { JobRecord, JobResult } from '../jobs/job_result.ts';
import type { Ledger } from '../jobs/ledger.ts';
import { layout } from '../lists/layouts.ts';
import type { JobStore } from '../stores/job_store.ts';
import type { ResultsPlace } from '../stores/results_place.ts';
import { benchPage, type Card } from './report_page.ts';
import { type BenchResults, categoryResults, type Picture, picturesOf, renderMarkdown } from './results.ts';

interface Read {
  readonly arm: string;
  readonly result: JobResult;
  readonly record: JobRecord;
}

export interface Assembled {
  readonly results: BenchResults;
  readonly markdown: string;
  /** The page with tables and pictures. */
  readonly report: string;
}

/** @param detector looks for GenEval's objects @returns null while no job is done @throws Error, one sentence, when a file cannot be written */
export async function assemble(
  task: BenchTask,
  place: ResultsPlace,
  ledger: Ledger,
  detector: CocoDetector | null,
): Promise<Assembled | null> {
  const { store } = place;
  const read = await readResults(task, store);
  if (read.length === 0) {
    return null;
  }
  const { methods } = task.comparison;
  const made = methods.flatMap((method) => picturesOf(method, read, task.entries));
  const pictures = detector ? await detected(made, task, store, detector) : made;
  const paths = new Map<Picture, string>();
  for (const { name } of methods) {
    const own = pictures.filter(({ method }) => method === name);
    await concurrently(layout(task.list, task.entries, own), async (file) => {
      const path = `pictures/${folderName(name)}/${file.path}`;
      if ('picture' in file) {
        paths.set(file.picture, path);
        await writeOnce(place, path, () => store.read(file.picture.key, file.picture.file));
      } else {
        await place.write(path, file.text);
      }
    });
  }
  const results = resultsOf(task, ledger, read, pictures, detector);
  const markdown = renderMarkdown(results);
  await place.write('results.json', `${JSON.stringify(results, null, 1)}\n`);
  await place.write('results.md', markdown);
  await place.write('report.html', benchPage(results, await cards(pictures, paths, store)));
  return { results, markdown, report: `${place.name}/report.html` };
}

async function readResults({ jobs }: BenchTask, store: JobStore): Promise<Read[]> {
  const keys = await store.done();
  return concurrently(
    jobs.filter((job) => keys.has(job.key)),
    async ({ key, arm }) => {
      const [result, record] = [await json(store, key, 'result.json'), await json(store, key, 'record.json')];
      return { arm, result: result as JobResult, record: record as JobRecord };
    },
  );
}

async function json(store: JobStore, key: string, name: string): Promise<unknown> {
  const bytes = await store.read(key, name);
  if (!bytes) {
    throw new Error(`the result of job ${key} has no ${name}: remove it, and the same command makes it again`);
  }
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Looks for the objects in each picture, one after another: the detector itself uses all cores. */
async function detected(
  pictures: readonly Picture[],
  { entries }: BenchTask,
  store: JobStore,
  detector: CocoDetector,
): Promise<Picture[]> {
  const seen: Picture[] = [];
  for (const picture of pictures) {
    const png = await store.read(picture.key, picture.file);
    const source = entries.get(picture.index)?.source ?? '';
    seen.push({ ...picture, objects: png && objectScore(source, await detector.boxes(png)) });
  }
  return seen;
}

function resultsOf(
  task: BenchTask,
  ledger: Ledger,
  read: readonly Read[],
  pictures: readonly Picture[],
  detector: CocoDetector | null,
): BenchResults {
  const offsets = Object.assign({}, ...read.map(({ result }) => result.offsets)) as Record<string, number>;
  const curves = read.flatMap(({ result: { index, listSeed: seed, curve } }) =>
    curve ? [{ index, seed, points: curve }] : [],
  );
  return {
    format: 1,
    tool: toolVersion(),
    list: task.list,
    model: task.model.name,
    modelHash: task.modelHash,
    seeds: task.seeds,
    settings: task.settings,
    adapters: [...new Set(read.map(({ record }) => record.adapter.description || record.adapter.vendor))].sort(),
    commits: [...new Set(read.flatMap(({ record: { commit } }) => (commit ? [commit] : [])))].sort(),
    ...(detector ? { detector: detector.name } : {}),
    jobs: { all: ledger.all, done: ledger.done, failed: ledger.failed },
    categories: categoryResults(task.comparison.methods, pictures, offsets),
    pictures: pictures.map(({ method, index, listSeed, result, objects }) => ({
      method,
      index,
      seed: listSeed,
      loss: result.total,
      right: result.right,
      ...(result.right === false && result.reason ? { fault: result.reason } : {}),
      ...(objects ? { objects: objects.right } : {}),
    })),
    ...(curves.length > 0 ? { curves } : {}),
  };
}

/** A card for each picture that a run ended with. Its first picture lies in the job's own folder where no method shows it. */
function cards(pictures: readonly Picture[], paths: ReadonlyMap<Picture, string>, store: JobStore): Promise<Card[]> {
  return concurrently(
    pictures.filter(({ file }) => file !== 'init.png'),
    async (picture) => ({
      picture,
      before: (await store.pathOf(picture.key, 'init.png')) ?? '',
      after: url(paths.get(picture) ?? ''),
    }),
  );
}

function url(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function folderName(method: string): string {
  return method.replaceAll(' ', '-');
}

/** Writes a picture unless the same bytes are there. */
async function writeOnce(place: ResultsPlace, path: string, bytes: () => Promise<Uint8Array | null>): Promise<void> {
  const wanted = await bytes();
  if (!wanted) {
    throw new Error(
      `the picture ${path} is missing among the results: remove the job's folder, and the same command makes it again`,
    );
  }
  const there = await place.read(path);
  if (!there || Buffer.compare(there, wanted) !== 0) {
    await place.write(path, wanted);
  }
}
