/** `reno evaluate pocket`: base, best-of-N and ReNO-N on held-out prompts, as a table and JSON; resumable. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from '../../src/cli/args.ts';
import { type ChosenModel, chosenModel, modelFlags } from '../../src/cli/chosen_model.ts';
import { OutFolder } from '../../src/cli/out_folder.ts';
import { optimisingFlags, settingsFrom } from '../../src/cli/settings_flags.ts';
import { adapterChoice, adapterFlags, jsonFlag, printJson } from '../../src/cli/shared.ts';
import { makeStrip, stack } from '../../src/cli/strip.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { subfolder } from '../../src/models/checkpoint/files.ts';
import { decodePng, encodePng, type PngPicture, toPicture } from '../../src/platform/node/png.ts';
import {
  besideBestOfN,
  type EvaluationHeader,
  type EvaluationRow,
  evaluate,
  METHODS,
  type Method,
  renderTable,
  summarize,
  unmetClaims,
} from '../../src/reno/evaluation.ts';
import type { AdapterRecord } from '../../src/reno/history.ts';
import { Judge } from '../../src/reno/judge.ts';
import { duration } from '../../src/reno/report.ts';
import { adapterRecord, Reno } from '../../src/reno/session.ts';
import { parsePocketPrompts } from '../../src/reno/tasks.ts';
import { firstOfCategories } from '../common/first_of_categories.ts';
import { parseSeeds } from '../common/seed_list.ts';
import { type Part, RowsFile } from './rows_file.ts';

const pocketCommand: Command = {
  meta: {
    name: 'pocket',
    description: 'Six categories of held-out prompts with the pocket models and their evaluator',
  },
  args: {
    out: {
      type: 'string',
      alias: ['o'],
      description: 'Folder for rows, table and pictures; a started evaluation goes on there',
      default: 'reno-out/evaluate-pocket',
      valueHint: 'folder',
    },
    seeds: { type: 'string', description: 'Seeds, such as 0,1,2 or 0-3', default: '0', valueHint: 'list' },
    limit: { type: 'string', description: 'Only so many prompts of each category', valueHint: 'n' },
    part: {
      type: 'string',
      description: 'A share of the prompts, for processes side by side: 1/2 and 2/2',
      valueHint: 'i/n',
    },
    'no-best-of-n': { type: 'boolean', description: 'Leave best-of-N out' },
    ...modelFlags,
    ...optimisingFlags,
    ...adapterFlags,
    ...jsonFlag,
  },
  run: evaluatePocket,
};

export const command: Command = {
  meta: { name: 'evaluate', description: 'Measure how often the pictures are right' },
  subCommands: { pocket: pocketCommand },
};

async function evaluatePocket(args: Args): Promise<number> {
  const seeds = parseSeeds(textFlag(args, 'seeds') ?? '0');
  const limit = countFlag(args, 'limit', 1);
  const part = parsePart(textFlag(args, 'part'));
  const model = chosenModel(args);
  const settings = await settingsFrom(args, model);
  const list = 'heldout_prompts.json';
  const all = firstOfCategories(
    parsePocketPrompts(`${model.files.name}/${list}`, await model.files.readText(list)),
    limit,
  );
  const prompts = all.filter((_, i) => part === null || i % part.count === part.index);
  const folder = new OutFolder(textFlag(args, 'out') ?? 'reno-out/evaluate-pocket');
  try {
    const header: EvaluationHeader = { format: 1, weights: fingerprint(model), settings };
    const file = new RowsFile(folder, header, part);
    using device = await openAdapter(adapterChoice(args));
    console.error(`adapter: ${adapterName(device)}`);
    using reno = await Reno.open(device, model.name, model.files, settings);
    using select = isSet(args, 'no-best-of-n')
      ? null
      : await Reno.open(device, model.name, model.files, { ...settings, mode: 'imageselect' });
    using judge = await Judge.open(device, subfolder(model.files, 'evaluator'), reno.imageSize);
    const { height, width } = reno.imageSize;

    const keys = new Set(file.rows.map(keyOf));
    const methods = METHODS.filter((m) => m !== 'best-of-n' || select !== null);
    const wanted = new Set(
      seeds.flatMap((seed) => prompts.flatMap(({ id }) => methods.map((method) => keyOf({ id, seed, method })))),
    );
    const already = [...wanted].filter((key) => keys.has(key)).length;
    const start = performance.now();
    let done = 0;
    await evaluate({ reno, select, judge }, prompts, seeds, {
      isDone: (id, seed, method) => keys.has(keyOf({ id, seed, method })),
      onRow: (row, pixels) => {
        folder.write(pictureOf(row), encodePng(toPicture(pixels, height, width)));
        file.add(row);
        keys.add(keyOf(row));
        done += 1;
        const left = ((performance.now() - start) / 1000 / done) * (wanted.size - already - done);
        console.error(
          `${already + done}/${wanted.size}  ${row.method.padEnd(9)} ${row.right ? 'right' : 'wrong'}  ${row.prompt}${row.right ? '' : ` (${row.reason})`}  ${duration(left)} left`,
        );
      },
    });
    const byKey = new Map(file.rows.map((row) => [keyOf(row), row]));
    const counted = [...wanted].flatMap((key) => byKey.get(key) ?? []);
    writeGrid(folder, counted);
    return report(args, folder, counted, { ...header, nIters: settings.nIters, adapter: adapterRecord(device) });
  } catch (error) {
    folder.discardIfEmpty();
    throw error;
  }
}

function pictureOf({ seed, id, method }: Pick<EvaluationRow, 'id' | 'seed' | 'method'>): string {
  return `pictures/${seed}/${String(id).padStart(3, '0')}_${method}.png`;
}

/** Pairs before and after, for each category the first prompts in the list: chosen by place, not by how they came out. */
function writeGrid(folder: OutFolder, rows: readonly EvaluationRow[], pairs = 3): void {
  const picture = (row: EvaluationRow, method: Method): PngPicture =>
    decodePng(readFileSync(join(folder.path, pictureOf({ ...row, method }))));
  const strips = [...new Set(rows.map((r) => r.category))].map((category) => {
    const shown = rows.filter((r) => r.category === category && r.method === 'reno').slice(0, pairs);
    return makeStrip(shown.flatMap((row) => [picture(row, 'base'), picture(row, 'reno')]));
  });
  if (strips.every((s) => s.width === strips[0]?.width)) {
    folder.write('grid.png', encodePng(stack(strips)));
  }
}

function keyOf(row: Pick<EvaluationRow, 'id' | 'seed' | 'method'>): string {
  return `${row.id} ${row.seed} ${row.method}`;
}

function report(
  args: Args,
  folder: OutFolder,
  rows: readonly EvaluationRow[],
  about: EvaluationHeader & { readonly nIters: number; readonly adapter: AdapterRecord },
): number {
  const { nIters } = about;
  const results = summarize(rows);
  const table = renderTable(results, nIters);
  const beside = besideBestOfN(results, nIters);
  folder.write('table.md', `${table}\n${beside ? `\n${beside}.\n` : ''}`);
  folder.write('evaluation.json', `${JSON.stringify({ ...about, results }, null, 1)}\n`);
  console.log(table);
  const overall = results.at(-1)?.right ?? {};
  const percent = (fraction: number | undefined): string => `${((fraction ?? 0) * 100).toFixed(1)}%`;
  const best = overall['best-of-n'] === undefined ? '' : `best-of-${nIters} ${percent(overall['best-of-n'])}, `;
  const summary = `right by the independent evaluator: base ${percent(overall.base)}, ${best}ReNO-${nIters} ${percent(overall.reno)}${beside ? `; ${beside}` : ''}`;
  console.log(`${summary}\nrows, pictures and table: ${folder.path}`);
  // The claim is about the whole: a part is added up by the run without --part.
  const unmet = textFlag(args, 'part') === undefined ? unmetClaims(results, nIters) : [];
  for (const sentence of unmet) {
    console.log(`not shown: ${sentence}`);
  }
  if (isSet(args, 'json')) {
    printJson({ ok: unmet.length === 0, summary, rows: results });
  }
  return unmet.length === 0 ? 0 : 1;
}

function parsePart(text: string | undefined): Part | null {
  if (text === undefined) {
    return null;
  }
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (!index || !count || index > count) {
    throw new UsageError(`--part must be a share such as 1/2 or 2/2, not "${text}"`);
  }
  return { index: index - 1, count };
}

/** SHA-256 over all weights and configurations of a model folder. */
function fingerprint({ folder, files }: ChosenModel): string {
  const hash = createHash('sha256');
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  for (const name of names.filter((n) => /\.(safetensors|json|bin|pt|pth)$/.test(n)).sort()) {
    hash.update(name).update(readFileSync(join(files.name, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
