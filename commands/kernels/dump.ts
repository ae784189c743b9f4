/** `reno kernels dump`: writes the WGSL of every kernel of a plan, with an index that says where each runs. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { plannedFlags, plannedSettings } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { PLANNED_MODELS, plannedModel } from '../../src/cli/plan/planned_model.ts';
import { MATRIX_GPU, planSettings } from '../../src/cli/plan/planned_run.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { showPath, siteOf } from '../../src/tensor/graph.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import { STAGES } from '../../src/tensor/types.ts';

export const dumpCommand: Command = {
  meta: { name: 'dump', description: "Write the WGSL of every kernel of a model's plan, with an index" },
  args: {
    model: {
      type: 'string',
      description: `Model: ${PLANNED_MODELS.join(', ')}, or a folder; no weights are needed`,
      default: 'pocket',
      valueHint: 'name',
    },
    ...plannedFlags,
    out: { type: 'string', description: 'Empty folder that gets the files', valueHint: 'folder' },
    matrix: {
      type: 'boolean',
      description: 'Plan for a GPU with subgroups of 32 and matrix units of 16x16x16, in place of this adapter',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: dump,
};

/** One kernel of the index. */
interface DumpedKernel {
  readonly file: string;
  readonly label: string;
  readonly overrides: Readonly<Record<string, number>>;
  /** Dispatches of one iteration, of a prompt and of loading that run it. */
  readonly dispatches: Record<(typeof STAGES)[number], number>;
  /** Operations of one iteration. */
  flops: number;
  /** Module paths of the tensors that it computes, as the checkpoint spells them. */
  readonly modules: Set<string>;
  readonly wgsl: string;
}

async function dump(args: Args): Promise<number> {
  const out = textFlag(args, 'out');
  if (out === undefined) {
    throw new UsageError('reno kernels dump needs --out FOLDER');
  }
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) {
    throw new UsageError(`--out ${out} is not empty: name a new folder, so that no older kernel stays between`);
  }
  const opened = isSet(args, 'matrix') ? null : await openAdapter(adapterChoice(args));
  const device = opened ?? MATRIX_GPU;
  const model = plannedModel(textFlag(args, 'model') ?? 'pocket');
  const settings = await plannedSettings(args, model);
  const { schedule } = await planSettings(model, settings, { device });
  const kernels = new Map<string, DumpedKernel>();
  for (const stage of STAGES) {
    const steps = schedule.steps[stage];
    for (const [i, { node, dispatch, types }] of steps.entries()) {
      const wgsl = assemble(dispatch, types, device.caps);
      const overrides = dispatch.overrides ?? {};
      const key = JSON.stringify(overrides) + wgsl;
      const name = `${dispatch.label}-${createHash('sha256').update(key).digest('hex').slice(0, 8)}.wgsl`;
      const kernel = kernels.get(key) ?? {
        ...{ file: name, label: dispatch.label, overrides, flops: 0, wgsl },
        dispatches: { load: 0, prompt: 0, step: 0 },
        modules: new Set<string>(),
      };
      kernel.dispatches[stage] += 1;
      kernel.flops += stage === 'step' && steps[i - 1]?.node !== node ? (node.op?.cost(siteOf(node)).flops ?? 0) : 0;
      kernel.modules.add(showPath(node));
      kernels.set(key, kernel);
    }
  }
  opened?.destroy();
  const index = [...kernels.values()]
    .sort((a, b) => b.flops - a.flops)
    .map(({ wgsl: _, modules, ...kernel }) => ({ ...kernel, modules: [...modules] }));
  for (const { file, wgsl } of kernels.values()) {
    writeFileSync(join(out, file), wgsl);
  }
  writeFileSync(join(out, 'index.json'), `${JSON.stringify(index, null, 1)}\n`);
  return finish(
    args,
    true,
    `${index.length} kernels of ${model.name} in ${out}; index.json says where each runs`,
    index,
  );
}
