/** The independent evaluator on the GPU: it judges whether a picture fits a prompt. It shares no weights with any reward. */

import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { Evaluator } from '../../models/pocket/evaluator.ts';
import { compileWithWeights } from '../../models/weights/compile_with_weights.ts';
import { openWeights } from '../../models/weights/weight_store.ts';
import type { Device } from '../../tensor/device/device.ts';
import { Graph } from '../../tensor/graph.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import type { ImageSize } from '../report/picture.ts';
import {
  type Detection,
  detect,
  judge,
  type ScenePrompt,
  type Verdict,
  type VerdictConfig,
  verdictConfig,
} from './verdict.ts';

export class Judge implements Disposable {
  /** The meaning of the evaluator's grid. */
  readonly config: VerdictConfig;
  readonly #plan: Plan;

  private constructor(plan: Plan, config: VerdictConfig) {
    this.#plan = plan;
    this.config = config;
  }

  /** Reads and compiles the evaluator. @param files its folder. @throws Error, one sentence naming the file that is missing or broken */
  static async open(device: Device, files: ModelFiles, { height, width }: ImageSize): Promise<Judge> {
    const config = await readConfig(files);
    const graph = new Graph();
    const weights = await openWeights(graph, files, 'model', { name: 'evaluator' });
    const evaluator = new Evaluator(weights, config);
    weights.assertAllUsed();
    const grid = evaluator.forward(graph.input('image', [1, height, width, 3], 'step'));
    const plan = await compileWithWeights(device, { outputs: { grid } }, [weights]);
    return new Judge(plan, verdictConfig(config));
  }

  /** Judges a picture. @param pixels [H,W,3] in [0,1]; rounded to 8 bits first, so that a saved file gets the same verdict */
  async judge(pixels: Float32Array, prompt: ScenePrompt): Promise<Verdict> {
    return judge(await this.look(pixels), prompt, this.config);
  }

  /** Returns the objects that the evaluator sees, most certain first. @param pixels as for `judge` */
  async look(pixels: Float32Array): Promise<Detection[]> {
    this.#plan.write(
      'image',
      pixels.map((v) => Math.round(v * 255) / 255),
    );
    await this.#plan.run('step');
    return detect(await this.#plan.read('grid'), this.config);
  }

  [Symbol.dispose](): void {
    this.#plan.destroy();
  }
}
