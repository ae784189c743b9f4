/** The descriptions of the flags of settings. They are words of the command line alone, so pages do not load them. */
import type { SettingFlag } from '../../reno/settings/settings.ts';

export const SETTINGS_HELP: Readonly<Record<SettingFlag, string>> = {
  'n-iters': 'Iterations, or noises to choose from',
  lr: 'Learning rate',
  optim: 'Optimiser',
  'grad-clip': 'Largest norm of the gradient',
  reg: 'What the noise regulariser holds: its norm (default), or moments and power spectrum (docs/search.md)',
  'reg-weight': "Weight of the noise regulariser (default: the model's own for norm, 1 for spectrum)",
  'disable-reg': 'No noise regulariser',
  noise: "Who makes a seed's noise: this engine, or PyTorch's randn on the CPU (f32) or on CUDA (f16)",
  size: "Picture in pixels, such as 512 or 768x512 (width x height); default: the generator's own",
  dtype: "How the networks' activations (and f32 weights) are stored: f16 takes half the memory",
  'f32-modules':
    'Modules that store activations as f32 beside --dtype f16, such as generator.vae.decoder.up_blocks.3,generator.unet.mid_block',
  budget:
    'GPU memory that the run may take, such as 8GiB; activations are computed again and weights brought in as needed',
  'weight-bits': 'Keep large weights on the GPU as int8, rounded: half the memory of f16, and a little slower',
  batch:
    'Pictures that are made at once, each of a prompt of its own, or auto: as many as memory holds (docs/scale.md)',
  candidates: 'With --method multi-start: noises that are judged (40 for 50 iterations)',
  chains: 'With --method multi-start: the best noises, which are ascended (3 for 50 iterations)',
  'chain-steps': 'With --method multi-start: iterations of each ascent (10 for 50 iterations)',
  project: 'With --method preconditioned: what is made to look like white noise (default: gradient)',
  samples: 'With --method zeroth-order: noises that are judged before each move, an even number',
  radius: 'With --method zeroth-order: share of fresh noise in each of them, 0 to 1',
  watch: 'Rewards that only watch, such as pickscore: computed and shown, not optimised',
  'select-by': 'The reward that chooses the best picture (default: all that are optimised, weighted)',
};
