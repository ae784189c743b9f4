/** A reward network on the GPU, which scores how well a picture fits a prompt. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import type { ComputeDType } from '../../models/layers/half_precision.ts';
import { compileWithWeights } from '../../models/weights/compile_with_weights.ts';
import type { Device } from '../../tensor/device/device.ts';
import { Graph } from '../../tensor/graph.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import { at } from '../../tensor/types.ts';
import type { Picture } from '../report/picture.ts';
import { openReward, type Reward, type RewardName, rewardNamed } from './index.ts';

/** Options for reading a reward network. */
export interface ScorerOptions {
  /** The storage of the image encoder's activations. Default f32. */
  readonly dtype?: ComputeDType;
}

/** The network for pictures of one size. */
interface Compiled {
  readonly height: number;
  readonly width: number;
  readonly plan: Plan;
  readonly reward: Reward;
}

/**
 * Scores pictures against prompts with one reward network. The network is compiled for the size of the first picture,
 * and again when a picture of another size comes.
 */
export class Scorer implements Disposable {
  /** The reward's name. */
  readonly name: RewardName;
  readonly #device: Device;
  readonly #files: ModelFiles;
  readonly #options: ScorerOptions;
  #compiled: Compiled | null = null;

  private constructor(device: Device, name: RewardName, files: ModelFiles, options: ScorerOptions) {
    this.#device = device;
    this.name = name;
    this.#files = files;
    this.#options = options;
  }

  /**
   * Reads the configuration and the headers of the reward's folder; weights follow with the first picture.
   * @param name one of `REWARD_NAMES`, such as `clip` or `pick_score`
   * @throws Error, one sentence: an unknown name, or the file that is missing, broken or does not fit
   */
  static async open(device: Device, name: string, files: ModelFiles, options: ScorerOptions = {}): Promise<Scorer> {
    const known = rewardNamed(name).name;
    await openReward(new Graph(), known, files, options.dtype);
    return new Scorer(device, known, files, options);
  }

  /**
   * Returns the score as the reward's authors report it (CLIP and PickScore: a logit; ImageReward: its score; …):
   * larger is better.
   * @throws Error when the picture's pixels do not fit its size, or the GPU is too small
   */
  async score(picture: Picture, prompt: string): Promise<number> {
    const { plan, reward } = await this.#for(picture);
    for (const [name, values] of reward.promptValues(prompt)) {
      plan.write(name, values);
    }
    plan.write('image', picture.pixels);
    await plan.run('prompt');
    await plan.run('step');
    return at(await plan.read('score'), 0);
  }

  async #for({ height, width }: Picture): Promise<Compiled> {
    const found = this.#compiled;
    if (found?.height === height && found.width === width) {
      return found;
    }
    this[Symbol.dispose]();
    const graph = new Graph();
    const reward = await openReward(graph, this.name, this.#files, this.#options.dtype);
    const score = reward.score(graph.input('image', [1, height, width, 3], 'step'));
    const plan = await compileWithWeights(this.#device, { outputs: { score } }, reward.weights);
    this.#compiled = { height, width, plan, reward };
    return this.#compiled;
  }

  /** Gives the network's GPU memory back. */
  [Symbol.dispose](): void {
    this.#compiled?.plan.destroy();
    this.#compiled = null;
  }
}
