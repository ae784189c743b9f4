/** One prompt: pictures, numbers and a report. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeDivergence, divergences } from '../../reno/report/watched_rewards.ts';
import { iterationsOf } from '../../reno/search/method.ts';
import type { Transferred } from '../../reno/transfer.ts';
import { debugLevel, printDebug } from '../debug_variable.ts';
import { EXIT } from '../exit_codes.ts';
import { printJson } from '../flags/shared.ts';
import { orNone } from '../run_store/file_system.ts';
import { type GenerateRun, keptRun, resultRow, runKey, writtenHistory } from './generate_run.ts';
import { Progress, stderrTerminal } from './progress.ts';
import { formerFiles, runFiles } from './run_files.ts';
import { stripIterations } from './strip.ts';
import { transferRun } from './transfer_run.ts';

/** The place of a single run in its folder. */
const SLOT = 'run';

/** Runs one prompt and publishes its files. @returns the exit code */
export async function generateOne(run: GenerateRun, prompt: string, seed: number, allImages: boolean): Promise<number> {
  const { steady, settings, store, interruption } = run;
  const key = runKey(run, { prompt, seed, allImages });
  if (run.mustResume && !canResume(run, key)) {
    return EXIT.done;
  }
  const nIters = iterationsOf(settings);
  const shown = new Set(stripIterations(nIters));
  const progress = new Progress(stderrTerminal(), nIters, steady.reno.rewards);
  const made = await keptRun(run, key, {
    prompt,
    seed,
    wantsFrame: (i) => allImages || shown.has(i),
    onIteration: (record, isBest) => progress.update(record, isBest),
  });
  const { trajectory } = made;
  progress.close(trajectory.records.at(-1));
  // After bad values, no node would agree with the interpreter: the first one has been named.
  await printDebug(steady.reno, steady.device, Math.min(debugLevel(), trajectory.stoppedBy === 'not-finite' ? 4 : 5));
  steady.reno[Symbol.dispose]();
  let transferred: Transferred | undefined;
  let failure: unknown;
  if (run.transfer && trajectory.stopped === null) {
    try {
      transferred = await transferRun(steady.device, run.transfer, made, interruption.signal);
    } catch (error) {
      failure = error; // Reported after the run itself, which is good, has been written.
    }
  }
  const recorded = { ...made.history, ...(transferred ? { transfer: transferred.record } : {}) };
  const history = writtenHistory(run, recorded);
  const isComplete = trajectory.stopped === null;
  const files = runFiles(trajectory, history, allImages, transferred);
  const former = store.filesOf(SLOT).length > 0 ? [] : formerFiles(names(join(store.path, 'iterations')));
  store.publish({ slot: SLOT, key, complete: isComplete, files }, former);
  if (isComplete) {
    store.dropState(key);
  }
  if (failure) {
    throw failure;
  }
  const row = resultRow(prompt, seed, made);
  const losses =
    settings.mode === 'no-optim'
      ? `loss ${row.initLoss.toFixed(4)}`
      : `loss ${row.initLoss.toFixed(4)} to ${row.bestLoss.toFixed(4)} at iteration ${row.bestIteration}`;
  const summary = `${losses}, ${trajectory.seconds.toFixed(1)} s`;
  console.log(`${summary}\npictures and report: ${join(store.path, 'report.html')}`);
  for (const found of divergences(history)) {
    console.error(`reno: ${describeDivergence(found)}`);
  }
  if (trajectory.stopped) {
    const why = interruption.what === '' ? trajectory.stopped : `${trajectory.stopped} (${interruption.what})`;
    const next = trajectory.stoppedBy === 'signal' ? '; the same command goes on from there' : '';
    console.error(`reno: ${why}; the best picture until then is kept${next}`);
  }
  if (run.json) {
    printJson({ ok: isComplete, summary, rows: [row] });
  }
  return isComplete ? EXIT.done : (interruption.code ?? EXIT.failed);
}

/** @returns false when the run is complete already @throws Error, one sentence, when there is nothing to go on with */
function canResume({ store, json }: GenerateRun, key: string): boolean {
  const saved = store.unfinished();
  if (saved.some((run) => run.key === key)) {
    return true;
  }
  if (store.has(SLOT, key)) {
    const summary = `this run is complete already: ${join(store.path, 'report.html')}`;
    console.log(summary);
    if (json) {
      printJson({ ok: true, summary, rows: [] });
    }
    return false;
  }
  const others = saved.map(
    (run) => `"${run.prompt}" with seed ${run.seed}, ${run.iteration} of ${run.iterations} iterations`,
  );
  throw new Error(
    others.length === 0
      ? `${store.path} has no unfinished run to go on with: leave --resume out to begin one`
      : `${store.path} has no unfinished run of this prompt, seed, model and settings, but of ${others.join(', ')}: give its command, or leave --resume out`,
  );
}

function names(folder: string): string[] {
  return orNone(() => readdirSync(folder), []);
}
