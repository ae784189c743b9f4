/** Flags of `reno generate` that change nothing beside others. */
import { REWARD_NAMES } from '../reno/rewards/index.ts';
import { type Args, isSet, textFlag, type UselessFlag } from './args.ts';
import { rewardFlagName } from './reward_flags.ts';

const isSingle = (args: Args): boolean => (textFlag(args, 'task') ?? 'single') === 'single';

/** Flags of the optimiser and its loss. */
const OPTIMISER = ['lr', 'optim', 'grad-clip', 'reg-weight', 'disable-reg'];

export const USELESS_FLAGS: readonly UselessFlag[] = [
  { flags: ['prompts'], why: 'without --task: one --prompt runs', when: isSingle },
  {
    flags: ['prompt', 'save-all-images'],
    why: 'with --task: a list of prompts runs',
    when: (args) => !isSingle(args),
  },
  {
    flags: [...OPTIMISER, 'n-iters'],
    why: 'with --no-optim, which runs one step and optimises nothing',
    when: (args) => isSet(args, 'no-optim'),
  },
  {
    flags: OPTIMISER,
    why: 'where the best of n noises is chosen: nothing is optimised',
    when: (args) => isSet(args, 'imageselect') || textFlag(args, 'method') === 'best-of-n',
  },
  ...REWARD_NAMES.map(rewardFlagName).map((name) => ({
    flags: [`${name}-weighting`],
    why: `with --disable-${name}`,
    when: (args: Args) => isSet(args, `disable-${name}`),
  })),
  { flags: ['reg-weight'], why: 'with --disable-reg', when: (args) => isSet(args, 'disable-reg') },
];
