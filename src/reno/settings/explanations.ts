/** Short texts on the parts of a run and on its methods. The page shows them in place; docs/reno.md and docs/search.md have the same ones. */
import type { MethodName } from '../search/method_names.ts';

/** A part of a run that can be explained. */
export interface Explanation {
  /** The name by which histories and charts call it. */
  readonly name: string;
  readonly text: string;
}

export const EXPLANATIONS: readonly Explanation[] = [
  {
    name: 'HPS',
    text: 'HPS is a CLIP that was trained on which of two pictures people prefer for a prompt. It sees the picture as one vector: good at the whole, weak at counting and at which colour belongs to which object.',
  },
  {
    name: 'CLIP',
    text: 'CLIP compares the picture with the prompt as two vectors, each of the whole. It knows which objects and colours occur, and hardly how they are bound or arranged.',
  },
  {
    name: 'ImageReward',
    text: 'ImageReward reads the prompt word by word while it looks at parts of the picture (a BLIP), and was trained on rankings by people. It is the one that sees numbers, bindings and relations best.',
  },
  {
    name: 'PickScore',
    text: 'PickScore is a CLIP that was trained on the choices of users of an image generator. Like HPS it judges the picture as a whole.',
  },
  {
    name: 'Aesthetic',
    text: 'Aesthetic says how much people would like a picture, whatever the prompt says: alone it makes pretty pictures of anything.',
  },
  {
    name: 'Weighted loss',
    text: 'The weighted loss is what is minimised: each reward as a loss, times its weight. With one reward alone the noise is soon bent to please it, right or wrong: that is reward hacking.',
  },
  {
    name: 'Noise norm',
    text: 'The generator knows only noise whose length is near √(d − 1), where nearly all Gaussian noise lies. The regulariser holds the norm there: without it the noise drifts to where pictures fall apart.',
  },
  {
    name: 'Gradient norm',
    text: 'Gradients of rewards differ a thousandfold from step to step. A gradient longer than the clip is shortened to it, so that no single step throws the noise away.',
  },
  {
    name: 'Learning rate',
    text: 'The learning rate is the length of a step for a gradient of length 1. Small ones creep, large ones jump past what they look for.',
  },
  {
    name: 'Optimiser',
    text: 'SGD with momentum follows an average of the latest gradients; Adam also divides each number by its usual size, so that all parts of the noise move alike.',
  },
];

/** Each method by the name that the page gives it, with a sentence on what it does and when to take it. */
export const METHOD_TEXTS: Readonly<Record<MethodName, { readonly label: string; readonly text: string }>> = {
  reno: {
    label: 'ReNO',
    text: 'One noise is improved step by step along the gradient of the rewards: take it when you want the method of the paper, exactly, or when the reward is right along a long ascent.',
  },
  'best-of-n': {
    label: 'Best of N',
    text: 'Fresh noises are judged and the best one is kept: take it when memory is short, or when a reward is easily pleased by a bent noise.',
  },
  'multi-start': {
    label: 'Multi-start',
    text: 'Many noises are judged and the best few are improved for a few steps each: take it when one noise may be a poor start, or when long ascents please the rewards and not the eye.',
  },
  preconditioned: {
    label: 'Preconditioned',
    text: 'One noise is improved in directions that look like noise themselves: take it when the noise of long runs drifts to where pictures fall apart.',
  },
  'zeroth-order': {
    label: 'Zeroth-order',
    text: 'A noise is moved by the losses of noises around it, without a gradient: take it when memory is short and fresh noises gain too little, or when a reward has no gradient.',
  },
};

/** The text on a part of a run, by its name. */
export function explanationOf(name: string): string | undefined {
  return EXPLANATIONS.find((explanation) => explanation.name === name)?.text;
}
