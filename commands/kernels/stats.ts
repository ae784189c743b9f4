/**
 * `reno kernels stats`: what a GPU's compiler makes of all kernels of a model, by share of the arithmetic: registers, spills, workgroup
 * memory, waves per SIMD, instructions by kind, latency. The GPU need not be here.
 */
import { type Args, type Command, isSet, numberFlag, textFlag } from '../../src/cli/flags/args.ts';
import { plannedFlags, plannedSettings } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { PLANNED_MODELS, plannedModel } from '../../src/cli/plan/planned_model.ts';
import { planSettings } from '../../src/cli/plan/planned_run.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { writeCodegenPage } from '../codegen/codegen_page.ts';
import { describeTotals, familyTable, kernelTable, rowsOf, totalsOf } from '../codegen/codegen_rows.ts';
import { withCompiler } from '../codegen/gpu_compiler.ts';
import { keepModel } from '../codegen/kept_codegen.ts';
import { gpuFlag, THIS_GPU } from '../codegen/layer.ts';
import { compilePipelines } from '../codegen/pipelines.ts';
import { revision } from '../common/revision.ts';

export const statsCommand: Command = {
  meta: { name: 'stats', description: "Show what a GPU's compiler makes of a model's kernels, without that GPU" },
  args: {
    model: {
      type: 'string',
      description: `Model: ${PLANNED_MODELS.join(', ')}, or a folder; no weights are needed`,
      default: 'sd-turbo',
      valueHint: 'name',
    },
    ...plannedFlags,
    gpu: { ...gpuFlag, default: 'navi31' },
    least: {
      type: 'string',
      description: 'Compile only kernels with at least this percentage of the arithmetic; default 0: all',
      valueHint: 'percent',
    },
    families: { type: 'boolean', description: 'Print a line for each op and variant on matrix units, as Markdown' },
    keep: {
      type: 'boolean',
      description: 'Enter the kernels that matter into docs/kernels/codegen.json and codegen.md',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: stats,
};

async function stats(args: Args): Promise<number> {
  const gpu = textFlag(args, 'gpu') ?? 'navi31';
  const least = (numberFlag(args, 'least', 0) ?? 0) / 100;
  if (isSet(args, 'keep') && (least > 0 || gpu === THIS_GPU)) {
    throw new UsageError(
      '--keep keeps the figures of a whole plan for a GPU family: leave out --least, and name a family',
    );
  }
  const model = plannedModel(textFlag(args, 'model') ?? 'sd-turbo');
  const settings = await plannedSettings(args, model);
  return withCompiler(gpu, adapterChoice(args), async (compiler) => {
    const { device, driver } = compiler;
    const { schedule } = await planSettings(model, settings, { device });
    const { compiled, flops } = await compilePipelines(compiler, schedule, least);
    const rows = rowsOf(compiled, flops);
    const seconds = performance.now() / 1000;
    const { user, system } = process.cpuUsage();
    const cpuSeconds = (user + system) / 1e6;
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    console.log((isSet(args, 'families') ? familyTable(rows) : kernelTable(rows)).join('\n'));
    const broken = rows.flatMap(({ failure }) => failure ?? []);
    console.log(broken.join('\n'));
    const totals = totalsOf(rows);
    const ok = rows.length > 0 && broken.length === 0;
    if (ok && isSet(args, 'keep')) {
      const kept = { model: model.name, size: settings.size, gpu, driver, seconds, cpuSeconds, peakBytes, rows };
      console.log(`kept in ${writeCodegenPage(keepModel({ ...kept, ...totals, ...revision() }))}`);
    }
    const used = `${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of CPU), ${(peakBytes / 1e6).toFixed(0)} MB of memory`;
    return finish(args, ok, `${model.name} on ${gpu} (${driver}): ${describeTotals(totals)}; ${used}`, rows);
  });
}
