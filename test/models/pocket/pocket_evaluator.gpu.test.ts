/** The embedded evaluator against PyTorch: logits, detections, verdicts. Fixture: python/pocket/evaluator_fixture.py. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { channelsLast, Fixture, fixtureJson } from '../../../commands/parity/fixtures.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { Evaluator } from '../../../src/models/pocket/evaluator.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { type Detection, detect, judge, type ScenePrompt, verdictConfig } from '../../../src/reno/scene/verdict.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { sizeOf } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

interface Case extends ScenePrompt {
  readonly prompt: string;
  readonly detections: readonly Detection[];
  readonly right: boolean;
  readonly reason: string;
}

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

it('the pocket evaluator equals PyTorch: logits, detections, verdicts', async () => {
  const files = nodeFiles(fileURLToPath(new URL('../../../weights/pocket/evaluator', import.meta.url)));
  const fixture = await Fixture.open('pocket_evaluator');
  const { cases } = (await fixtureJson('pocket_evaluator')) as { cases: Case[] };
  const [n, channels, height, width] = fixture.shape('images') as [number, number, number, number];
  const config = await readConfig(files);
  const graph = new Graph();
  const weights = await openWeights(graph, files, 'model');
  const evaluator = new Evaluator(weights, config);
  weights.assertAllUsed();
  const grid = evaluator.forward(graph.input('images', [n, height, width, channels], 'step'));
  using plan = await compile(device, { outputs: { grid } });
  await weights.upload(plan);
  plan.write('images', channelsLast(await fixture.values('images'), fixture.shape('images')));
  plan.run('load');
  plan.run('step');
  const logits = await plan.read('grid');
  expect(nmse(logits, channelsLast(await fixture.values('grid'), fixture.shape('grid')))).toBeLessThanOrEqual(1e-7);
  const rules = verdictConfig(config);
  const cells = sizeOf(grid.shape) / n;
  cases.forEach(({ prompt, detections, right, reason, ...scene }, i) => {
    const found = detect(logits.slice(i * cells, (i + 1) * cells), rules);
    const what = (d: Detection) => ({ object: d.object, colour: d.colour, x: d.x, y: d.y });
    expect(found.map(what), prompt).toEqual(detections.map(what));
    expect(judge(found, scene, rules), prompt).toEqual({ right, reason });
  });
  expect(new Set(cases.map((c) => c.right)).size).toBe(2);
});
