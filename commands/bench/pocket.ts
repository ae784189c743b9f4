/** Questions about the pocket models' own runs, in a process of its own. Started by commands/bench/sections. */
import { join } from 'node:path';
import { openAdapter } from '../../src/cli/adapter.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings/settings.ts';
import { traceRun } from '../../src/reno/trace.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import { median } from '../../src/tensor/tuning/median.ts';
import type { CompileOnce } from './sections/host.ts';
import { Cannot, serve } from './serve_engine.ts';

async function compileOnce(): Promise<CompileOnce> {
  const files = nodeFiles(join(PACKAGE_ROOT, 'weights', 'pocket'));
  const settings = await readSettings(files);
  const device = await openAdapter();
  // On a device of its own: what `Reno.open` does besides compiling is reading and uploading.
  const other = await openAdapter();
  const { spec } = await traceRun(files, settings);
  const start = performance.now();
  const plan = await compile(other, spec);
  const compileSeconds = (performance.now() - start) / 1000;
  plan.destroy();
  using reno = await Reno.open(device, 'pocket', files, settings);
  const afterOpen = device.pipelineCount;
  const generate = (seed: number, prompt: string) => reno.generate({ prompt, seed, nIters: 2 });
  const { trajectory: first } = await generate(0, 'a photo of a red cat and a blue car');
  const afterFirst = device.pipelineCount;
  const { trajectory: second } = await generate(1, 'a photo of a green dog');
  return {
    openSeconds: reno.loadSeconds,
    compileSeconds,
    firstSeconds: first.seconds,
    secondSeconds: second.seconds,
    afterOpen,
    afterFirst,
    afterSecond: device.pipelineCount,
  };
}

/** Seconds of a run by its number of iterations: medians over `ROUNDS` turns. */
async function loop(): Promise<Readonly<Record<number, number>>> {
  const files = nodeFiles(join(PACKAGE_ROOT, 'weights', 'pocket'));
  using reno = await Reno.open(await openAdapter(), 'pocket', files, await readSettings(files));
  const run = async (nIters: number): Promise<number> => {
    const { trajectory } = await reno.generate({ prompt: 'a photo of a red cat and a blue car', seed: 0, nIters });
    return trajectory.seconds;
  };
  await run(2);
  const times = new Map<number, number[]>(LENGTHS.map((n) => [n, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, list] of times) {
      list.push(await run(n));
    }
  }
  return Object.fromEntries([...times].map(([n, list]) => [n, median(list)]));
}

const LENGTHS = [5, 10, 20, 40];
const ROUNDS = 3;

await serve({
  open: () => Promise.reject(new Cannot('it has one question')),
  prepare: () => Promise.reject(new Cannot('it has one question')),
  extra: { compile: compileOnce, loop },
});
