/** Runs that a longer run contains: the first 50 iterations of ReNO-101 are ReNO-50, and so they run once. */
import type { RenoSettings } from '../../src/reno/settings/settings.ts';
import type { Arm, Comparison } from './methods.ts';

/** The modes whose run of n iterations is the beginning of a longer one. */
const MODES: readonly RenoSettings['mode'][] = ['reno', 'imageselect'];

/** Leaves out the runs that a longer run with the same settings contains, and takes their pictures from that one. */
export function withContainedRuns({ arms, methods }: Comparison): Comparison {
  const length = ({ settings }: Arm): number => settings.nIters;
  const within = new Map(
    arms.flatMap((arm) => {
      const longest = longestLike(arm, arms);
      return longest === arm || arm.judged ? [] : [[arm, longest] as const];
    }),
  );
  const named = methods.map((method) => {
    const arm = arms.find(({ name }) => name === method.arm);
    const longer = arm && within.get(arm);
    if (!longer) {
      return method;
    }
    const isShorter = length(arm) < length(longer) && method.picture === 'best';
    return { ...method, arm: longer.name, ...(isShorter ? { length: length(arm) } : {}) };
  });
  return {
    arms: arms
      .filter((arm) => !within.has(arm))
      .map((arm) => {
        const shorter = arms.filter((other) => within.get(other) === arm && length(other) < length(arm)).map(length);
        return shorter.length > 0 ? { ...arm, lengths: [...new Set(shorter)].sort((a, b) => a - b) } : arm;
      }),
    methods: [...new Map(named.map((method) => [method.name, method])).values()],
  };
}

/** The longest run whose beginning this one is: of two, the one that is judged on its way. */
function longestLike(arm: Arm, arms: readonly Arm[]): Arm {
  const course = ({ settings: { nIters: _, ...rest } }: Arm): string => JSON.stringify(rest);
  const more = (a: Arm, b: Arm): number =>
    a.settings.nIters - b.settings.nIters || Number(a.judged !== undefined) - Number(b.judged !== undefined);
  return MODES.includes(arm.settings.mode)
    ? arms.filter((other) => course(other) === course(arm)).reduce((a, b) => (more(b, a) > 0 ? b : a))
    : arm;
}
