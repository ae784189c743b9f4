/**
 * The methods that `reno bench` compares, and the runs that they need. The pictures of `base` are the first pictures of the
 * ReNO runs, so one run serves both.
 */
import { sentenceOf, UsageError } from '../../src/cli/usage_error.ts';
import { REWARD_NAMES, type RewardName } from '../../src/reno/rewards/index.ts';
import { multiStartOf, withMethod } from '../../src/reno/search/method.ts';
import { forwardPasses, searchCost } from '../../src/reno/search/multi_start_size.ts';
import { REWARD_WEIGHT, type RenoSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { withContainedRuns } from './contained_runs.ts';

export const METHOD_KINDS = [
  'base',
  'best-of-n',
  'equal-compute',
  'reno',
  'multi-start',
  'preconditioned',
  'zeroth-order',
  'curve',
  'leave-one-out',
  'each-reward',
] as const;
type MethodKind = (typeof METHOD_KINDS)[number];

/** A kind of run: one setting of the loop. Its name is part of no key: equal settings are equal work. */
export interface Arm {
  readonly name: string;
  readonly settings: RenoSettings;
  /** Iterations whose pictures are judged too, beside the first and the best one. */
  readonly judged?: readonly number[];
  /** Numbers of iterations after which the best picture until there is kept too: a run contains every shorter one. */
  readonly lengths?: readonly number[];
}

/** The iterations whose pictures `curve` has judged: it shows whether longer runs end in better pictures, or only in lower losses. */
const CURVE = [0, 5, 10, 20, 50, 100] as const;

/** A column of the results: a picture of a kind of run. */
export interface Method {
  readonly name: string;
  /** The name of the arm that makes it. */
  readonly arm: string;
  /** The run's first picture, or its best. */
  readonly picture: 'init' | 'best';
  /** Iterations until the best picture, where the arm's run goes on after them. */
  readonly length?: number;
  /** Work of a picture in forward passes; an iteration with its gradient counts two. */
  readonly cost: number;
}

export interface Comparison {
  readonly arms: readonly Arm[];
  readonly methods: readonly Method[];
}

/** Reads `--methods`. @throws UsageError naming the word that is no method */
export function parseMethods(text: string): MethodKind[] {
  const kinds = text.split(',').map((word) => {
    const kind = METHOD_KINDS.find((name) => name === word.trim());
    if (!kind) {
      throw new UsageError(`--methods: there is no method "${word.trim()}"; there are ${METHOD_KINDS.join(', ')}`);
    }
    return kind;
  });
  return [...new Set(kinds)];
}

/** A reward and the weights that a sweep gives it. */
export interface Sweep {
  readonly reward: RewardName;
  readonly weights: readonly number[];
}

/** Reads `--sweep`, such as `hps=0,2.5,5;clip=1`. @throws UsageError, one sentence */
export function parseSweeps(text: string): Sweep[] {
  return text.split(';').map((part) => {
    const [name = '', list = ''] = part.split('=');
    const reward = REWARD_NAMES.find((known) => known === name.trim());
    if (!reward) {
      throw new UsageError(`--sweep: there is no reward "${name.trim()}"; there are ${REWARD_NAMES.join(', ')}`);
    }
    const weights = list.split(',').map((word) => {
      try {
        return REWARD_WEIGHT.parse(word.trim());
      } catch (error) {
        throw new UsageError(`--sweep: a weight of ${reward} ${sentenceOf(error)}`);
      }
    });
    return { reward, weights: [...new Set(weights)] };
  });
}

/**
 * Returns the runs and columns of a comparison.
 * @throws UsageError when a method needs more than one reward, or nothing is left to compare
 */
export function compared(settings: RenoSettings, kinds: readonly MethodKind[], sweeps: readonly Sweep[]): Comparison {
  const arms: Arm[] = [];
  const methods: Method[] = [];
  const add = (
    name: string,
    changes: Partial<RenoSettings>,
    cost: number,
    picture: Method['picture'] = 'best',
    judged?: Arm['judged'],
  ): void => {
    const arm: Arm = { name, settings: withSettings(settings, changes), ...(judged ? { judged } : {}) };
    const work = ({ name: _, ...rest }: Arm): string => JSON.stringify(rest);
    const same = arms.find((other) => work(other) === work(arm));
    if (!same) {
      arms.push(arm);
    }
    methods.push({ name, arm: (same ?? arm).name, picture, cost });
  };
  const n = settings.nIters;
  const used = REWARD_NAMES.filter((name) => (settings.rewards[name] ?? 0) > 0);
  const ascends = kinds.includes('reno');
  if (kinds.includes('base')) {
    add('base', { mode: ascends ? 'reno' : 'no-optim' }, 1, 'init');
  }
  if (kinds.includes('best-of-n')) {
    add(`best-of-${n}`, { mode: 'imageselect', nIters: n }, n);
  }
  if (kinds.includes('equal-compute')) {
    add(`best-of-${forwardPasses(n)}`, { mode: 'imageselect', nIters: forwardPasses(n) }, forwardPasses(n));
  }
  if (ascends) {
    add(`reno-${n}`, { mode: 'reno' }, forwardPasses(n));
  }
  if (kinds.includes('multi-start')) {
    const search = multiStartOf(settings);
    const { candidates, chains, steps } = search;
    add(`multi-start ${candidates}-${chains}-${steps}`, { mode: 'multi-start' }, searchCost(search));
  }
  if (kinds.includes('preconditioned')) {
    add(`preconditioned-${n}`, withMethod(settings, { mode: 'preconditioned' }), forwardPasses(n));
  }
  if (kinds.includes('zeroth-order')) {
    add(`zeroth-order-${forwardPasses(n)}`, { mode: 'zeroth-order', nIters: forwardPasses(n) }, forwardPasses(n));
  }
  if (kinds.includes('curve')) {
    const length = Math.max(...CURVE) + 1;
    add(`reno-${length}`, { mode: 'reno', nIters: length }, forwardPasses(length), 'best', CURVE);
  }
  for (const [kind, changes] of [
    ['leave-one-out', (name: RewardName) => ({ ...settings.rewards, [name]: 0 })],
    ['each-reward', (name: RewardName) => ({ [name]: settings.rewards[name] ?? 1 })],
  ] as const) {
    if (!kinds.includes(kind)) {
      continue;
    }
    if (used.length < 2) {
      throw new UsageError(`--methods ${kind} needs at least two rewards, and this model uses ${used.length}`);
    }
    for (const name of used) {
      const title = kind === 'leave-one-out' ? `reno without ${name}` : `reno ${name} alone`;
      add(title, { mode: 'reno', rewards: changes(name) }, forwardPasses(n));
    }
  }
  for (const { reward, weights } of sweeps) {
    for (const weight of weights) {
      const rewards = { ...settings.rewards, [reward]: weight };
      if (Object.values(rewards).every((value) => value === 0)) {
        throw new UsageError(`--sweep: ${reward}=0 leaves no reward to follow`);
      }
      add(`reno ${reward}=${weight}`, { mode: 'reno', rewards }, forwardPasses(n));
    }
  }
  return withContainedRuns({ arms, methods });
}
