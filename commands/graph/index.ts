/** `reno graph`: the graph of a model's run before and after each pass of planning, as text and as a picture; it follows one tensor. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { planningFromEnvironment } from '../../src/cli/debug_variable.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { plannedFlags, plannedSettings } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { OutFolder } from '../../src/cli/generate/out_folder.ts';
import { PLANNED_MODELS, plannedModel } from '../../src/cli/plan/planned_model.ts';
import { GPU_CAPS, MATRIX_GPU } from '../../src/cli/plan/planned_run.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { assertStores } from '../../src/reno/session.ts';
import { traceRun } from '../../src/reno/trace.ts';
import { suggestion } from '../../src/tensor/nearest_names.ts';
import { at } from '../../src/tensor/types.ts';
import { follow, tensorKey } from './follow.ts';
import { describeFollowed, describeModules, describePass, describePasses, passRow } from './pass_text.ts';
import { collectPasses, PASSES, type Pass, type PassName, type PassNode } from './passes.ts';
import { graphPage } from './picture/graph_page.ts';

export const command: Command = {
  meta: { name: 'graph', description: "Show a run's graph before and after each pass of planning; needs no weights" },
  args: {
    model: {
      type: 'string',
      description: `Model: ${PLANNED_MODELS.join(', ')}, or a folder`,
      default: 'pocket',
      valueHint: 'name',
    },
    ...plannedFlags,
    part: {
      type: 'string',
      description:
        'Only modules with this name in their path, such as generator, vae, unet.mid_block, hps; rewards: all of them',
      valueHint: 'name',
    },
    pass: { type: 'enum', options: Object.keys(PASSES), description: 'Print every node after this pass' },
    tensor: {
      type: 'string',
      description: 'Follow one tensor through all passes: an id, a graph input, an output such as image, or a module',
      valueHint: 'name|id',
    },
    depth: {
      type: 'string',
      description: 'Names of a module path in the table of modules',
      default: '2',
      valueHint: 'n',
    },
    out: {
      type: 'string',
      description: 'Folder that gets graph.html and a text file for each pass',
      valueHint: 'folder',
    },
    matrix: { type: 'boolean', description: 'Plan for a GPU with matrix units of 16x16x16' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: graph,
};

async function graph(args: Args): Promise<number> {
  const depth = countFlag(args, 'depth', 1) ?? 2;
  const out = textFlag(args, 'out');
  const folder = out === undefined ? null : new OutFolder(out);
  const model = plannedModel(textFlag(args, 'model') ?? 'pocket');
  const settings = await plannedSettings(args, model);
  const choice = adapterChoice(args);
  using device = 'adapter' in choice || 'backend' in choice ? await openAdapter(choice) : null;
  const caps = device?.caps ?? (isSet(args, 'matrix') ? MATRIX_GPU.caps : GPU_CAPS);
  assertStores(settings.dtype, caps);
  const { spec } = await traceRun(model.files, settings);
  const whole = collectPasses({ ...spec, ...planningFromEnvironment() }, caps);
  const name = textFlag(args, 'tensor');
  const followed = name === undefined ? null : follow(whole, tensorKey(name, at(whole, 0), spec.outputs));
  const passes = partOf(whole, textFlag(args, 'part'));
  const rows = passes.map(passRow);
  const [first, last] = [at(rows, 0), at(rows, rows.length - 1)];
  const summary = `${model.name}: ${first.nodes} traced nodes, ${last.nodes} in the schedule after ${passes.length - 1} passes`;

  const wanted = textFlag(args, 'pass') as PassName | undefined;
  const printed = wanted && passNamed(passes, wanted);

  console.log(describePasses(rows).join('\n'));
  console.log(['', ...describeModules(at(passes, 0), at(passes, passes.length - 1), depth)].join('\n'));
  if (printed) {
    console.log(`\n${describePass(printed).join('\n')}`);
  }
  if (followed) {
    console.log(`\n${name}\n${describeFollowed(followed).join('\n')}`);
  }
  if (folder) {
    for (const [i, pass] of passes.entries()) {
      folder.write(`${i}-${pass.name}.txt`, `${describePass(pass).join('\n')}\n`);
    }
    console.log(`\n${folder.write('graph.html', graphPage(passes, model.name, followed?.[0]?.key ?? null))}`);
  }
  return finish(args, true, summary, followed ?? rows);
}

function passNamed(passes: readonly Pass[], name: PassName): Pass {
  const found = passes.find((pass) => pass.name === name);
  if (!found) {
    const ran = passes.map((pass) => pass.name).join(', ');
    throw new UsageError(
      `--pass ${name}: this pass does not run here (${ran} do); layouts needs --budget or --weight-bits 8`,
    );
  }
  return found;
}

/** The parts that are no rewards. */
const OTHERS = new Set(['', 'generator', 'reno']);

/** Returns the passes with the nodes of one part alone. @throws UsageError where no module has this name */
function partOf(passes: readonly Pass[], part: string | undefined): readonly Pass[] {
  if (part === undefined) {
    return passes;
  }
  const isIn = ({ path }: PassNode): boolean =>
    part === 'rewards' ? !OTHERS.has(path.split('.')[0] ?? '') : `.${path.replaceAll('+', '.')}.`.includes(`.${part}.`);
  const ids = passes.map(({ nodes }) => new Set(nodes.filter(isIn).map(({ id }) => id)));
  const found = passes.map((pass, i) => ({
    ...pass,
    nodes: withWeights(pass.nodes, isIn),
    into: new Map([...pass.into].filter(([, outer]) => ids[i]?.has(outer))),
    added: pass.added.filter((id) => ids[i]?.has(id)),
    removed: pass.removed.filter((id) => ids[i - 1]?.has(id)),
  }));
  if (found.every(({ nodes }) => nodes.length === 0)) {
    const names = new Set(passes.flatMap(({ nodes }) => nodes.flatMap(({ path }) => path.split(/[.+]/))));
    throw new UsageError(`--part ${part}: no module of this run has this name (${suggestion(part, names)})`);
  }
  return found;
}

/** The wanted nodes, and the weights and constants that they read. */
function withWeights(nodes: readonly PassNode[], isWanted: (node: PassNode) => boolean): PassNode[] {
  const read = new Set(nodes.filter(isWanted).flatMap(({ inputs }) => inputs));
  const isRead = ({ kind, id }: PassNode): boolean => (kind === 'weight' || kind === 'constant') && read.has(`${id}.0`);
  return nodes.filter((node) => isWanted(node) || isRead(node));
}
