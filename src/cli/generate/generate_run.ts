/** One run and the runs of a list share this: the networks, the folder, and how to keep what was made. */
import type { PromptCut } from '../../models/tokenizers/tokenizers.ts';
import { NotFiniteError } from '../../reno/loop/loop.ts';
import type { RunState } from '../../reno/loop/run_state.ts';
import type { History } from '../../reno/report/history.ts';
import { describeCut } from '../../reno/report/report.ts';
import { iterationsOfRun } from '../../reno/search/method.ts';
import type { Generated, GenerateOptions } from '../../reno/session.ts';
import type { RenoSettings } from '../../reno/settings/settings.ts';
import type { SteadyReno } from '../../reno/steady_reno.ts';
import { at } from '../../tensor/types.ts';
import { debugLevel, printBadValue } from '../debug_variable.ts';
import { toolVersion } from '../flags/shared.ts';
import type { Interruption } from '../interruption.ts';
import { keyOf } from '../run_store/names.ts';
import type { RunStore } from '../run_store/run_store.ts';
import { sentenceOf } from '../usage_error.ts';
import type { ChosenTransfer } from './transfer_run.ts';

export interface GenerateRun extends Disposable {
  readonly steady: SteadyReno;
  /** The model's name, and the hash of the files that are read. */
  readonly model: string;
  readonly modelHash: string;
  readonly settings: RenoSettings;
  readonly store: RunStore;
  readonly interruption: Interruption;
  readonly transfer: ChosenTransfer | undefined;
  readonly saveEvery: number | undefined;
  readonly json: boolean;
  /** Whether files hold no times. */
  readonly noTimes: boolean;
  /** Whether only an unfinished run may go on. */
  readonly mustResume: boolean;
}

/** The key of a run: what decides its bytes. */
export function runKey(run: GenerateRun, about: Readonly<Record<string, unknown>>): string {
  const { budget: _, ...settings } = run.settings; // The memory that it may take changes no bytes.
  return keyOf({ tool: toolVersion(), model: run.model, modelHash: run.modelHash, settings, ...about });
}

/** Runs `Reno.generate` from the state that was saved for `key`, if any, and saves its states. */
export async function keptRun(
  run: GenerateRun,
  key: string,
  options: Omit<GenerateOptions, 'resume' | 'onState' | 'signal' | 'saveEvery' | 'onCut'>,
): Promise<Generated> {
  const { store, saveEvery, steady, interruption } = run;
  const say = (sentence: string): void => console.error(`reno: ${sentence}`);
  const resume = await store.loadState(key, say);
  if (resume) {
    say(
      `goes on from iteration ${resume.iteration} of ${iterationsOfRun(resume.config)}, which were saved in ${store.path}`,
    );
  }
  let isSaid = false;
  const onState = (state: RunState): void => {
    try {
      store.saveState(key, state);
    } catch (error) {
      if (!isSaid) {
        say(`${sentenceOf(error)}; the run goes on`);
      }
      isSaid = true;
    }
  };
  const whole: GenerateOptions = {
    ...options,
    onCut: printCut,
    onState,
    signal: interruption.signal,
    ...(resume ? { resume } : {}),
    ...(saveEvery === undefined ? {} : { saveEvery }),
  };
  try {
    const made = await steady.generate(whole);
    if (made.trajectory.stoppedBy === 'not-finite') {
      await printBadValue(steady.reno, whole, debugLevel());
    }
    return made;
  } catch (error) {
    if (error instanceof NotFiniteError) {
      await printBadValue(steady.reno, whole, debugLevel());
    }
    throw error;
  }
}

/** Says once for each prompt and reader what is not read. */
function printCut(cut: PromptCut): void {
  console.error(`warning: ${describeCut(cut)}`);
}

/** A history as it is written: with this tool's version, and with times or without. */
export function writtenHistory(run: GenerateRun, history: History): History {
  const whole = { ...history, tool: toolVersion() };
  if (!run.noTimes) {
    return whole;
  }
  const { transfer } = whole;
  return {
    ...whole,
    iterations: whole.iterations.map((record) => ({ ...record, seconds: 0 })),
    seconds: { load: 0, prompt: 0, iterations: 0 },
    ...(transfer ? { transfer: { ...transfer, seconds: { load: 0, pictures: 0 } } } : {}),
  };
}

export function resultRow(prompt: string, seed: number, { trajectory, history }: Generated) {
  const first = at(trajectory.records, 0);
  const best = at(trajectory.records, trajectory.best);
  return {
    prompt,
    seed,
    draw: history.config.noise.draw,
    mode: history.config.mode,
    iterations: trajectory.records.length,
    initLoss: first.total,
    bestLoss: best.total,
    bestIteration: best.iteration,
    initLosses: first.losses,
    bestLosses: best.losses,
    seconds: trajectory.seconds,
  };
}
