/** The identity of a kind of run: this version, and a hash of the model's files that it reads. */
import { toolVersion } from '../../../src/cli/flags/shared.ts';
import type { ChosenModel } from '../../../src/cli/weights/chosen_model.ts';
import { fingerprint, recorded } from '../../../src/cli/weights/model_fingerprint.ts';
import { traceRun } from '../../../src/reno/trace.ts';
import type { Arm } from '../methods.ts';
import type { JobIdentity } from './job.ts';

/** The files of the independent evaluator, on which verdicts depend. */
const EVALUATOR = ['evaluator/config.json', 'evaluator/model.safetensors'];

/**
 * Adds to each kind of run its identity. Tracing a run names the files that it reads; nothing is computed, so that no adapter is
 * needed. @throws Error as `traceRun`
 */
export async function identified(
  model: ChosenModel,
  arms: readonly Arm[],
  evaluator: boolean,
): Promise<(Arm & { readonly identity: JobIdentity })[]> {
  const hashes = new Map<string, string>();
  const done: (Arm & { readonly identity: JobIdentity })[] = [];
  for (const arm of arms) {
    const reads = JSON.stringify(arm.settings.rewards);
    let modelHash = hashes.get(reads);
    if (modelHash === undefined) {
      const { files, paths } = recorded(model.files);
      await traceRun(files, arm.settings);
      modelHash = await fingerprint(model.files, [...paths, ...(evaluator ? EVALUATOR : [])]);
      hashes.set(reads, modelHash);
    }
    done.push({ ...arm, identity: { tool: toolVersion(), model: model.name, modelHash } });
  }
  return done;
}
