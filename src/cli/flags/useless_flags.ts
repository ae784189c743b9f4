/** Flags of `reno generate` that change nothing beside others. */
import { REWARD_NAMES } from '../../reno/rewards/index.ts';
import { type Args, isSet, textFlag, type UselessFlag } from './args.ts';
import { rewardFlagName } from './reward_flags.ts';

const isSingle = (args: Args): boolean => (textFlag(args, 'task') ?? 'single') === 'single';

/** Flags of the optimiser and its loss. */
const OPTIMISER = ['lr', 'optim', 'grad-clip', 'reg', 'reg-weight', 'disable-reg'];

/** Methods without an optimiser. */
const UNASCENDED: readonly string[] = ['best-of-n', 'zeroth-order'];

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
    why: 'with --imageselect, which follows no gradient',
    when: (args) => isSet(args, 'imageselect'),
  },
  ...UNASCENDED.map((method) => ({
    flags: OPTIMISER,
    why: `with --method ${method}, which follows no gradient`,
    when: (args: Args) => textFlag(args, 'method') === method,
  })),
  ...REWARD_NAMES.map(rewardFlagName).map((name) => ({
    flags: [`${name}-weighting`],
    why: `with --disable-${name}`,
    when: (args: Args) => isSet(args, `disable-${name}`),
  })),
  { flags: ['reg', 'reg-weight'], why: 'with --disable-reg', when: (args) => isSet(args, 'disable-reg') },
];
