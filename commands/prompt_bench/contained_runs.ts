/** Runs that a longer run contains: the first 50 iterations of ReNO-101 are ReNO-50, and so they run once. */
import type { RenoSettings } from '../../src/reno/settings/settings.ts';
import type { Arm, Comparison } from './methods.ts';

/** The modes whose run of n iterations is the beginning of a longer one. */
const MODES: readonly RenoSettings['mode'][] = ['reno', 'imageselect'];

/** Leaves out the runs that a longer run with the same settings contains, and takes their pictures from that one. */
export function withContainedRuns({ arms, methods }: Comparison): Comparison {
  const within = new Map(arms.flatMap((arm) => containing(arm, arms).map((longer) => [arm, longer] as const)));
  const length = ({ settings }: Arm): number => settings.nIters;
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

/** The longest run that begins with this one; nothing where none does. */
function containing(arm: Arm, arms: readonly Arm[]): Arm[] {
  const course = ({ settings: { nIters: _, ...rest } }: Arm): string => JSON.stringify(rest);
  const begins = (other: Arm): boolean => {
    const more = other.settings.nIters - arm.settings.nIters;
    return more > 0 || (more === 0 && other.judged !== undefined);
  };
  return arm.judged || !MODES.includes(arm.settings.mode)
    ? []
    : arms
        .filter((other) => other !== arm && course(other) === course(arm) && begins(other))
        .sort((a, b) => b.settings.nIters - a.settings.nIters)
        .slice(0, 1);
}
