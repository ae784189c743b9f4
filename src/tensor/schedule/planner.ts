/** Plans a graph within a budget of memory. Where there is none, `fastestSchedule` does the same with less code. */
import type { DeviceCaps } from '../device/device_caps.ts';
import { assertFits, peakBytes, scheduleWithin } from './budget.ts';
import type { PlanSpec } from './plan_spec.ts';
import type { Schedule } from './schedule.ts';
import { fastestSchedule, type OnPass, schedulerOf } from './scheduler.ts';

/**
 * Schedules a graph for an adapter of the given capabilities.
 * @param onPass is told of each pass; where a budget makes a second plan necessary, of the passes of that plan again
 * @throws Error when a budget is given and too small; the message says how much is needed
 */
export function createSchedule(spec: PlanSpec, caps: DeviceCaps, onPass?: OnPass): Schedule {
  const { budget } = spec;
  const fastest = fastestSchedule(spec, caps, onPass);
  if (budget === undefined || peakBytes(fastest) <= budget) {
    return fastest;
  }
  const within = scheduleWithin(budget, schedulerOf({ ...spec, keepLayouts: false }, caps, onPass));
  assertFits(budget, within);
  return within;
}
