/**
 * `npm run record`: makes the run that the page plays before anything computes, and the page's list of examples. Both are chosen by
 * what an evaluation measured: the first picture wrong, the best one right.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, textFlag } from '../../src/cli/flags/args.ts';
import { assertOnePicture, optimisingFlags, settingsFrom } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, toolVersion } from '../../src/cli/flags/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { chosenModel, modelFlags } from '../../src/cli/weights/chosen_model.ts';
import { subfolder } from '../../src/models/checkpoint/files.ts';
import { toPicture } from '../../src/platform/node/png.ts';
import { type Example, facts, type JudgedPicture, measuredExamples } from '../../src/reno/scene/examples.ts';
import { parseScene } from '../../src/reno/scene/grammar.ts';
import { Judge } from '../../src/reno/scene/judge.ts';
import { type RecordedRun, tilePictures } from '../../src/reno/scene/recorded_run.ts';
import { type Detection, judge, type ScenePrompt } from '../../src/reno/scene/verdict.ts';
import { type Generated, Reno } from '../../src/reno/session.ts';
import { type PocketPrompt, parsePocketPrompts, promptSeed } from '../../src/reno/tasks/tasks.ts';
import type { BenchResults } from '../prompt_bench/results/results.ts';
import { readResults } from '../prompt_bench/results/results_difference.ts';
import { smallPng } from './small_png.ts';

const COLUMNS = 10;
/** Pictures are kept in steps of so many of 256 levels, which is hardly seen and makes the file half as large. */
const LEVELS = 6;

export const command: Command = {
  meta: { name: 'record', description: 'Record the run that the page plays at once, and choose its examples' },
  args: {
    results: {
      type: 'string',
      description: 'The folder of an evaluation: it says which first pictures are wrong',
      default: 'reno-out/evaluate-pocket',
      valueHint: 'folder',
    },
    out: {
      type: 'string',
      alias: ['o'],
      description: 'Folder to write to',
      default: 'src/web/recorded',
      valueHint: 'folder',
    },
    ...modelFlags,
    ...optimisingFlags,
    ...adapterFlags,
  },
  run: record,
};

/** A run of an example, and what the evaluator found in each of its pictures. */
interface Candidate {
  readonly example: Example;
  readonly scene: ScenePrompt;
  readonly made: Generated;
  readonly detections: readonly (readonly Detection[])[];
}

async function record(args: Args): Promise<number> {
  const model = chosenModel(args);
  const folder = textFlag(args, 'results') ?? '';
  const list = 'heldout_prompts.json';
  const prompts = parsePocketPrompts(`${model.files.name}/${list}`, await model.files.readText(list));
  const examples = measuredExamples(judgedPictures(await readResults(folder), prompts));
  if (examples.length === 0) {
    throw new UsageError(
      `${folder} has no prompt whose first picture is wrong and whose best is right: evaluate more prompts`,
    );
  }
  const settings = await settingsFrom(args, model);
  assertOnePicture(settings);
  using device = await openAdapter(adapterChoice(args));
  console.error(`adapter: ${adapterName(device)}`);
  using reno = await Reno.open(device, model.name, model.files, settings);
  using evaluator = await Judge.open(device, subfolder(model.files, 'evaluator'), reno.imageSize);
  const chosen = await firstClearRun(examples, reno, evaluator);
  const { height, width } = reno.imageSize;
  const pictures = chosen.made.trajectory.frames.map(({ pixels }) =>
    toPicture(pixels, height, width).data.map((v) => Math.min(255, Math.round(v / LEVELS) * LEVELS)),
  );
  const png = smallPng(tilePictures(pictures, { height, width, columns: COLUMNS, channels: 3 }));
  const run: RecordedRun = {
    format: 1,
    history: { ...chosen.made.history, tool: toolVersion() },
    scene: chosen.scene,
    detections: chosen.detections,
    evaluator: evaluator.config,
    columns: COLUMNS,
    examples,
  };
  const out = textFlag(args, 'out') ?? 'src/web/recorded';
  const json = JSON.stringify(run);
  writeFileSync(join(out, 'run.json'), `${json}\n`);
  writeFileSync(join(out, 'run.png'), png);
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
  console.log(
    `recorded “${chosen.example.prompt}”, seed ${chosen.example.seed}: ${kilobytes(json.length)} of numbers and ${kilobytes(png.length)} of pictures in ${out}; ${examples.length} examples`,
  );
  return 0;
}

/** The first and the best pictures of the runs of ReNO among the results. */
export function judgedPictures(
  { pictures, settings }: Pick<BenchResults, 'pictures' | 'settings'>,
  prompts: readonly PocketPrompt[],
): JudgedPicture[] {
  const byIndex = new Map(prompts.map((prompt) => [prompt.id, prompt]));
  const kinds = new Map<string, JudgedPicture['picture']>([
    ['base', 'first'],
    [`reno-${(settings as { readonly nIters: number }).nIters}`, 'best'],
  ]);
  return pictures.flatMap(({ method, index, seed, loss, right, fault = '' }) => {
    const [entry, picture] = [byIndex.get(index), kinds.get(method)];
    return entry && picture && right !== null
      ? [{ prompt: entry.prompt, category: entry.category, seed: promptSeed(seed, index), picture, right, fault, loss }]
      : [];
  });
}

/**
 * Runs examples, those with the most to get right and with the largest fall of the loss first, until one begins wrong here too, ends
 * right, and stays right in its second half.
 */
async function firstClearRun(examples: readonly Example[], reno: Reno, evaluator: Judge): Promise<Candidate> {
  const ranked = examples
    .flatMap((example) => {
      const scene = parseScene(example.prompt, evaluator.config);
      return scene ? [{ example, scene }] : [];
    })
    .sort((a, b) => facts(b.scene) - facts(a.scene) || b.example.gain - a.example.gain);
  for (const { example, scene } of ranked) {
    const { prompt, seed } = example;
    const made = await reno.generate({ prompt, seed, wantsFrame: () => true });
    const detections: (readonly Detection[])[] = [];
    for (const { pixels } of made.trajectory.frames) {
      detections.push(await evaluator.look(pixels));
    }
    const right = detections.map((found) => judge(found, scene, evaluator.config).right);
    console.error(`${right.map((r) => (r ? '✓' : '·')).join('')}  ${prompt}, seed ${seed}`);
    const stays = right.slice(Math.floor(right.length / 2)).every(Boolean);
    if (right[0] === false && right[made.trajectory.best] === true && stays) {
      return { example, scene, made, detections };
    }
  }
  throw new Error('no example begins wrong, ends right and stays right on this adapter: evaluate more prompts');
}
