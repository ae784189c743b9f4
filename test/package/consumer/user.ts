/** A user's program in strict TypeScript: types are all that is tested here, so it need not run. */
import { compile, evaluate, Graph, gradients, mean, openDevice, type Plan, square, type Tensor } from 'reno-webgpu';
import type { Op } from 'reno-webgpu/engine';
import { CLIPTextModel } from 'reno-webgpu/models';
import type { History, Reno, RewardName } from 'reno-webgpu/reno';

const g = new Graph();
const x: Tensor = g.input('x', [4, 2]);
const w = g.state('w', [4, 2]);
const loss = mean(square(x));

// One gradient for each tensor that was asked for, so nothing is undefined.
const [dx, dw] = gradients(loss, [x, w]);
const found: readonly [Tensor, Tensor] = [dx, dw];

export async function run(): Promise<number> {
  using device = await openDevice();
  const values = await evaluate(device, { loss, dx }, { x: new Float32Array(8), w: [1, 2, 3, 4, 5, 6, 7, 8] });
  // @ts-expect-error only the outputs that were asked for have a value
  values.dw;
  const plan: Plan = await compile(device, { outputs: { loss }, updates: [w.becomes(dw)] });
  await plan.step();
  const [first = Number.NaN] = await plan.read('loss');
  return first + values.loss.length + found.length;
}

export const iterations = (history: History): number => history.iterations.length;
export const generate = (reno: Reno): ReturnType<Reno['generate']> => reno.generate({ prompt: 'a cat', seed: 1 });
// @ts-expect-error a prompt is needed
export const incomplete = (reno: Reno): unknown => reno.generate({ seed: 1 });
export const rewards: readonly RewardName[] = ['clip', 'hps'];
export const named = (op: Op): string => op.name;
export const model = CLIPTextModel;
