/** What the loop knows of a reward network. */
import type { PromptValues } from '../../models/tokenizers/prompt.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export interface Reward {
  /** As the reference logs it: `HPS`, `CLIP`, `PickScore`, `ImageReward`, `Aesthetic`. */
  readonly name: string;
  /** The checkpoints the network reads, to be uploaded into the plan. */
  readonly weights: readonly WeightStore[];
  /** image [N,H,W,3] in [0,1] → score [N], larger is better. */
  score(image: Tensor): Tensor;
  /** loss = offset − score. */
  readonly offset: number;
  /** image [N,H,W,3] in [0,1] → loss [N], smaller is better. */
  loss(image: Tensor): Tensor;
  /** What to write into the plan before its `prompt` stage runs. */
  promptValues(prompt: string): PromptValues;
}
