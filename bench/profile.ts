/**
 * Where an iteration's time goes: `npm run profile -- [weights folder] [runs]`.
 * GPU timestamps around each dispatch, medians over runs, by kernel and by module; then whole iterations by the clock.
 */

import { join } from 'node:path';
import { openAdapter } from '../src/cli/adapter.ts';
import { nodeFiles } from '../src/platform/node/files.ts';
import { PACKAGE_ROOT } from '../src/platform/node/package_root.ts';
import { Reno } from '../src/reno/session.ts';
import { readSettings } from '../src/reno/settings.ts';
import { describePlan, kernelTimes } from '../src/tensor/debug.ts';
import { showPath, siteOf } from '../src/tensor/graph.ts';
import { at } from '../src/tensor/types.ts';

const median = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    values.length >> 1,
  );

const folder = process.argv[2] ?? join(PACKAGE_ROOT, 'weights', 'pocket');
const runs = Number(process.argv[3] ?? 5);
const files = nodeFiles(folder);
const device = await openAdapter();
const reno = await Reno.open(device, 'pocket', files, await readSettings(files));
console.log(describePlan(reno.plan));
await reno.generate({ prompt: 'a photo of a red cat and a blue car', seed: 0, nIters: 2 });

const profiles: NonNullable<Awaited<ReturnType<typeof reno.plan.profile>>>[] = [];
for (let i = 0; i < runs; i++) {
  profiles.push((await reno.plan.profile('step')) ?? []);
}
const first = at(profiles, 0);
const medians = first.map(({ step }, k) => ({ step, ns: median(profiles.map((p) => p[k]?.ns ?? 0)) }));
console.log('\nkernel                                    count      ms  share  GFLOP/s');
for (const row of kernelTimes(medians).slice(0, 30)) {
  const share = `${(100 * row.share).toFixed(1)} %`.padStart(7);
  console.log(
    `${row.label.slice(0, 40).padEnd(40)} ${String(row.count).padStart(6)} ${row.ms.toFixed(2).padStart(7)} ${share} ${row.gflops.toFixed(2).padStart(8)}`,
  );
}
console.log('\nslowest dispatches                       ms  GFLOP/s');
for (const { step, ns } of [...medians].sort((a, b) => b.ns - a.ns).slice(0, 20)) {
  const { node, dispatch, types } = step;
  const flops = node.op?.cost(siteOf(node)).flops ?? 0;
  const shapes = types.map((t) => t.shape.join('x')).join(' ');
  console.log(
    `${dispatch.label.padEnd(28)} ${(ns / 1e6).toFixed(2).padStart(8)} ${(flops / ns).toFixed(2).padStart(8)}  ${shapes} ${showPath(node)}`,
  );
}
const modules = new Map<string, number>();
for (const { step, ns } of medians) {
  const name = showPath(step.node).split('.').slice(0, 2).join('.');
  modules.set(name, (modules.get(name) ?? 0) + ns);
}
console.log('\nmodule                                         ms');
for (const [name, ns] of [...modules].sort((a, b) => b[1] - a[1]).slice(0, 20)) {
  console.log(`${name.slice(0, 40).padEnd(40)} ${(ns / 1e6).toFixed(2).padStart(8)}`);
}
const { trajectory } = await reno.generate({ prompt: 'a photo of a red cat and a blue car', seed: 1, nIters: 10 });
console.log(`\n10 iterations: ${(trajectory.seconds / 10).toFixed(3)} s each`);
process.exit(0);
