/** CLIPScore: how well picture and prompt agree for a CLIP; loss 100 − e^s·cosine. (Hessel et al., 2104.08718.) */
import { clipReward } from './clip_reward.ts';

export const CLIP_SCORE = clipReward({
  name: 'clip',
  label: 'CLIP',
  defaultWeight: 0.01,
  key: 'clip_score',
  offset: 100,
  scaled: true,
  published: [],
});
