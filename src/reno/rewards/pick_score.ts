/** PickScore: a CLIP fine-tuned on the choices of Pick-a-Pic's users; loss 30 − e^s·cosine. (Kirstain et al., 2305.01569.) */
import { clipReward } from './clip_reward.ts';

export const PICK_SCORE = clipReward({
  name: 'pick_score',
  label: 'PickScore',
  defaultWeight: 0.05,
  key: 'pick_score',
  offset: 30,
  scaled: true,
  published: [],
});
