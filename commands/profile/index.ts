/**
 * `npm run profile`: shows where an iteration's time goes, by kernel, dispatch and module, from GPU timestamps around each dispatch
 * (medians over runs); then times whole iterations by the clock.
 */
import { join } from 'node:path';
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/shared.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings.ts';
import { describePlan, kernelTimes } from '../../src/tensor/debug.ts';
import { showPath, siteOf } from '../../src/tensor/graph.ts';
import { median } from '../../src/tensor/median.ts';
import { at } from '../../src/tensor/types.ts';

const PROMPT = 'a photo of a red cat and a blue car';
const ITERATIONS = 10;

export const command: Command = {
  meta: { name: 'profile', description: "Show where an iteration's time goes" },
  args: {
    folder: { type: 'string', description: 'Folder of the models; otherwise the pocket models', valueHint: 'folder' },
    runs: { type: 'string', description: 'Runs whose median counts', default: '5', valueHint: 'n' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: profile,
};

type Profile = NonNullable<Awaited<ReturnType<Reno['plan']['profile']>>>;

async function profile(args: Args): Promise<number> {
  const files = nodeFiles(textFlag(args, 'folder') ?? join(PACKAGE_ROOT, 'weights', 'pocket'));
  const runs = countFlag(args, 'runs', 1) ?? 5;
  const device = await openAdapter(adapterChoice(args));
  using reno = await Reno.open(device, 'pocket', files, await readSettings(files));
  console.log(describePlan(reno.plan));
  await reno.generate({ prompt: PROMPT, seed: 0, nIters: 2 });

  const profiles: Profile[] = [];
  for (let i = 0; i < runs; i++) {
    profiles.push((await reno.plan.profile('step')) ?? []);
  }
  const medians: Profile = at(profiles, 0).map((timed, k) => ({
    ...timed,
    ns: median(profiles.map((run) => run[k]?.ns ?? 0)),
  }));
  const kernels = kernelTimes(medians);
  console.log(['', ...kernelLines(kernels), '', ...dispatchLines(medians), '', ...moduleLines(medians)].join('\n'));
  const { trajectory } = await reno.generate({ prompt: PROMPT, seed: 1, nIters: ITERATIONS });
  console.log('');
  const seconds = (trajectory.seconds / ITERATIONS).toFixed(3);
  return finish(args, true, `${ITERATIONS} iterations: ${seconds} s each`, kernels);
}

function kernelLines(kernels: ReturnType<typeof kernelTimes>): string[] {
  const lines = kernels.slice(0, 30).map(({ label, count, ms, share, gflops }) => {
    const percent = `${(100 * share).toFixed(1)} %`.padStart(7);
    const name = label.slice(0, 40).padEnd(40);
    return `${name} ${String(count).padStart(6)} ${ms.toFixed(2).padStart(7)} ${percent} ${gflops.toFixed(2).padStart(8)}`;
  });
  return ['kernel                                    count      ms  share  GFLOP/s', ...lines];
}

function dispatchLines(profile: Profile): string[] {
  const slowest = [...profile].sort((a, b) => b.ns - a.ns).slice(0, 20);
  const lines = slowest.map(({ step: { node, dispatch, types }, ns }) => {
    const flops = node.op?.cost(siteOf(node)).flops ?? 0;
    const shapes = types.map((t) => t.shape.join('x')).join(' ');
    const times = `${(ns / 1e6).toFixed(2).padStart(8)} ${(flops / ns).toFixed(2).padStart(8)}`;
    return `${dispatch.label.padEnd(28)} ${times}  ${shapes} ${showPath(node)}`;
  });
  return ['slowest dispatches                       ms  GFLOP/s', ...lines];
}

function moduleLines(profile: Profile): string[] {
  const modules = new Map<string, number>();
  for (const { step, ns } of profile) {
    const name = showPath(step.node).split('.').slice(0, 2).join('.');
    modules.set(name, (modules.get(name) ?? 0) + ns);
  }
  const slowest = [...modules].sort((a, b) => b[1] - a[1]).slice(0, 20);
  const lines = slowest.map(([name, ns]) => `${name.slice(0, 40).padEnd(40)} ${(ns / 1e6).toFixed(2).padStart(8)}`);
  return ['module                                         ms', ...lines];
}
