/**
 * `reno selftest`: one command for a GPU that is at hand. It checks that everything computes rightly there, measures how fast, and
 * leaves one JSON file and one HTML page, which are written again as each part ends.
 */
import { join } from 'node:path';
import { EXIT } from '../../src/cli/exit_codes.ts';
import { type Args, type Command, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag, toolVersion } from '../../src/cli/flags/shared.ts';
import { OutFolder } from '../../src/cli/generate/out_folder.ts';
import { onSignal } from '../../src/cli/interruption.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import type { Part, PartResult } from './part.ts';
import { PARTS } from './parts.ts';
import { PAGE_FILE, ResultFiles, resultOf } from './result_files.ts';
import { partOfThisProcess, runAsChild, runParts } from './run_parts.ts';

const names = PARTS.map(({ name }) => name);

export const command: Command = {
  meta: { name: 'selftest', description: 'Check and time everything on this GPU: run this first on a new one' },
  args: {
    quick: { type: 'boolean', description: 'Small variants of all parts: minutes on a software driver' },
    parts: { type: 'string', description: `Only these parts: ${names.join(',')}`, valueHint: 'a,b' },
    out: {
      type: 'string',
      alias: ['o'],
      description: 'Folder to write to',
      default: 'reno-selftest',
      valueHint: 'folder',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: selftest,
};

async function selftest(args: Args): Promise<number> {
  const quick = isSet(args, 'quick');
  const wanted = chosenParts(textFlag(args, 'parts'), quick);
  const out = textFlag(args, 'out') ?? 'reno-selftest';
  const own = partOfThisProcess(wanted);
  if (own) {
    return runAsChild(own, { quick, out, adapter: adapterChoice(args) });
  }
  const files = new ResultFiles(new OutFolder(out));
  const about = { tool: toolVersion(), started: new Date().toISOString(), quick };
  const wantedNames = wanted.map(({ name }) => name);
  const stop = new AbortController();
  let code: number | undefined;
  onSignal((exit) => {
    code = exit;
    stop.abort();
  });
  const minutes = wanted.reduce((n, { limit }) => n + (quick ? limit.quick : limit.full), 0) / 60;
  console.error(`${wanted.length} parts, at most ${minutes.toFixed(0)} minutes; the result so far is always in ${out}`);
  let shown = 0;
  const results = await runParts(wanted, {
    quick,
    signal: stop.signal,
    onResult: (soFar, isRunning) => {
      files.update(resultOf(about, wantedNames, soFar), isRunning);
      if (!isRunning) {
        console.log(soFar.slice(shown).flatMap(linesOf).join('\n'));
        shown = soFar.length;
      }
    },
  });
  const result = resultOf(about, wantedNames, results);
  console.log(`the whole result: ${join(out, PAGE_FILE)}`);
  return finish(args, result.ok, result.summary, results) === EXIT.done ? EXIT.done : (code ?? EXIT.failed);
}

/** @throws UsageError naming what is no part, or has no small variant of its own */
function chosenParts(list: string | undefined, quick: boolean): Part[] {
  const wanted = list?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--parts: there is no part "${unknown}"; the parts are ${names.join(', ')}`);
  }
  const fullOnly = PARTS.find(({ name, fullOnly }) => quick && fullOnly && wanted?.includes(name));
  if (fullOnly) {
    throw new UsageError(`--quick has no part ${fullOnly.name}: its small variant is the part sd-turbo`);
  }
  return PARTS.filter(({ name, fullOnly }) => wanted?.includes(name) ?? !(quick && fullOnly));
}

/** A part in a few lines: what is wrong, and its sentence. */
function linesOf({ part, state, sentence, seconds, rows }: PartResult): string[] {
  const wrong = rows.filter(({ ok }) => !ok).map(({ name, shown }) => `     ${name}: ${shown}`);
  const mark = state === 'held' ? 'ok  ' : state === 'cut' ? 'CUT ' : 'FAIL';
  return [`${mark} ${part.padEnd(10)} ${`${seconds.toFixed(1)} s`.padStart(8)}  ${sentence}`, ...wrong];
}
