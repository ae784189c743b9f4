/** The unit of work: one run of one prompt. Its key says everything that decides its bytes. */
import { keyOf } from '../../../src/cli/run_store/names.ts';
import type { ScenePrompt } from '../../../src/reno/scene/verdict.ts';
import type { RenoSettings } from '../../../src/reno/settings/settings.ts';
import { promptNoise } from '../../../src/reno/tasks/tasks.ts';
import type { PromptEntry } from '../lists/benchmark_lists.ts';
import type { Arm } from '../methods.ts';

/** The parts of a key that all jobs of one kind of run share. */
export interface JobIdentity {
  /** The package and its version. */
  readonly tool: string;
  readonly model: string;
  /** SHA-256 of the model's files (model_fingerprint.ts). */
  readonly modelHash: string;
}

/** A job as plain data, so that it can travel to another process. */
export interface Job {
  readonly key: string;
  readonly identity: JobIdentity;
  readonly arm: string;
  readonly settings: RenoSettings;
  readonly index: number;
  /** The seed of the list; `noise` has the prompt's own. */
  readonly listSeed: number;
  readonly prompt: string;
  readonly noise: { readonly seed: number; readonly draw: number };
  /** The objects that the independent evaluator looks for; absent: none looks. */
  readonly scene?: ScenePrompt;
  /** Iterations whose pictures are judged too. */
  readonly judged?: readonly number[];
  /** Numbers of iterations after which the best picture until there is kept too. */
  readonly lengths?: readonly number[];
  /** The entry's problem, if it has one: the job then fails with this sentence. */
  readonly problem?: string;
}

/**
 * The jobs of a comparison, seed by seed: a list that is stopped early has every kind of run for its first seeds. Within a seed one
 * kind of run follows another, so that a process seldom opens other networks.
 */
export function jobsOf(
  entries: readonly PromptEntry[],
  seeds: readonly number[],
  arms: readonly (Arm & { readonly identity: JobIdentity })[],
): Job[] {
  return seeds.flatMap((listSeed) =>
    arms.flatMap((arm) => entries.map((entry) => jobOf(entry, listSeed, arm, arm.identity))),
  );
}

function jobOf(
  entry: PromptEntry,
  listSeed: number,
  { name, settings, judged, lengths }: Arm,
  identity: JobIdentity,
): Job {
  const { prompt, index, problem, scene } = entry;
  const noise = promptNoise(settings, listSeed, index);
  const { budget: _, ...decisive } = settings; // The memory that it may take changes no bytes.
  const kept = { ...(judged ? { judged } : {}), ...(lengths ? { lengths } : {}) };
  const key = keyOf({ ...identity, settings: decisive, prompt, ...noise, ...kept });
  return {
    key,
    identity,
    arm: name,
    settings,
    index,
    listSeed,
    prompt,
    noise,
    ...(scene ? { scene } : {}),
    ...kept,
    ...(problem ? { problem } : {}),
  };
}
