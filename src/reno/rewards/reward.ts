/** The two sides of a reward: its definition, which needs no files, and the opened network. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import type { ComputeDType } from '../../models/layers/half_precision.ts';
import type { OnCut, PromptValues } from '../../models/tokenizers/tokenizers.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Everything that is known of a reward before its files are read. */
export interface RewardDefinition<Name extends string = string> {
  /** The name of its folder in a model folder and of its key in reno.json; its flags leave out the underscores. */
  readonly name: Name;
  /** Its name in the reference's logs and in history.json, such as `PickScore`. */
  readonly label: string;
  /** The reference's weight, for when the user gives none; 0: the reward is used only where somebody gives it a weight. */
  readonly defaultWeight: number;
  /** Files besides config.json of which each shows that the reward is in a folder. */
  readonly signs: readonly string[];
  /**
   * Reads the headers in a reward's folder and declares its weights and prompt inputs in `graph`.
   * @param dtype storage of the image encoder's activations
   * @param batch the number of prompts, one for each picture; default 1
   * @throws Error, one sentence: the file that is missing, broken or does not fit
   */
  open(graph: Graph, files: ModelFiles, dtype: ComputeDType, batch?: number): Promise<Reward>;
}

/** A reward network in a graph. */
export interface Reward {
  /** The definition's label. */
  readonly name: string;
  /** The checkpoints that the network reads: the caller uploads them into the plan. */
  readonly weights: readonly WeightStore[];
  /** image [N,H,W,3] in [0,1] → score [N], larger is better. */
  score(image: Tensor): Tensor;
  /** loss = offset − score. */
  readonly offset: number;
  /** image [N,H,W,3] in [0,1] → loss [N], smaller is better. */
  loss(image: Tensor): Tensor;
  /** Values of one prompt to write into the plan before its `prompt` stage runs, by input name; with a batch, those of a row. @param onCut is told where only the beginning of the prompt is read */
  promptValues(prompt: string, onCut?: OnCut): PromptValues;
}
