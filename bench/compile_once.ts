/** Opens the pocket models and generates twice, counting the pipelines that the device has made. Started by bench/sections/host.ts. */
import { join } from 'node:path';
import { openAdapter } from '../src/cli/adapter.ts';
import { nodeFiles } from '../src/cli/node_files.ts';
import { PACKAGE_ROOT } from '../src/cli/shared.ts';
import { Reno } from '../src/reno/session.ts';
import { readSettings } from '../src/reno/settings.ts';
import { traceRun } from '../src/reno/trace.ts';
import { compile } from '../src/tensor/plan.ts';
import { Cannot, serve } from './engine.ts';
import type { CompileOnce } from './sections/host.ts';

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
  await generate(0, 'a photo of a red cat and a blue car');
  const afterFirst = device.pipelineCount;
  await generate(1, 'a photo of a green dog');
  return { openSeconds: reno.loadSeconds, compileSeconds, afterOpen, afterFirst, afterSecond: device.pipelineCount };
}

await serve({
  open: () => Promise.reject(new Cannot('it has one question')),
  prepare: () => Promise.reject(new Cannot('it has one question')),
  extra: { compile: compileOnce },
});
