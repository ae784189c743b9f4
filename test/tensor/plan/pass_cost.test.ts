/** The cost of a timed pass is told apart from the time of the dispatches in it. */
import { expect, it } from 'vitest';
import { PassCostProbe } from '../../../src/tensor/plan/pass_cost.ts';
import { madeDispatch, madeTimestampDevice } from '../../support/made_timestamp_device.ts';

/** @param dispatchTicks the time of each dispatch @param passTicks the time that a pass takes by itself */
function probeOf(dispatchTicks: () => number, passTicks: number): PassCostProbe {
  const { device } = madeTimestampDevice(dispatchTicks, passTicks);
  const buffer = device.memory.create({ size: 256, usage: 0 });
  return new PassCostProbe(device, madeDispatch, buffer);
}

it.each([
  ['a driver whose passes are slow', 25, 40, 41],
  ['a driver whose passes cost next to nothing', 1000, 0, 1],
])('%s', async (_, dispatchTicks, passTicks, expected) => {
  using probe = probeOf(() => dispatchTicks, passTicks);
  await probe.sample();
  expect(probe.ns).toBe(expected);
});

it('does not count what another program takes', async () => {
  let count = 0;
  // The first 150 of the sample's 400 dispatches take a hundred times as long.
  using probe = probeOf(() => (count++ < 150 ? 2500 : 25), 40);
  await probe.sample();
  expect(probe.ns).toBe(41);
});
