/** HPSv2: a CLIP fine-tuned on human preferences; loss 1 − cosine, without the logit scale. (Wu et al., 2306.09341.) */
import { clipReward } from './clip_reward.ts';

export const HPS = clipReward({
  name: 'hps',
  label: 'HPS',
  defaultWeight: 5,
  key: 'hps',
  offset: 1,
  scaled: false,
  published: ['HPS_v2.1_compressed.pt', 'HPS_v2_compressed.pt'],
  tokenizer: 'open_clip',
});
