/** The comparisons of an op that a device makes: its variants' values and its gradient's kernels, each beside the f64 reference. */
import type { Device } from '../../tensor/device/device.ts';
import { AdapterLacksError } from '../../tensor/device/device_caps.ts';
import type { Op } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import { nmse } from '../../tensor/tuning/nmse.ts';
import { at } from '../../tensor/types.ts';
import { type OpTest, valueBound, valueTests } from './check_op.ts';
import { checkedInputs, runGradient } from './run_case.ts';

/** A gradient is several kernels, one after another: as many times the error of one. */
const GRADIENT_FACTOR = 10;

/** Returns a comparison for each variant × case and one for the gradient of each case, in turns. */
export function deviceTests(op: Op): OpTest<Device>[] {
  const gradients = op.cases.flatMap((c, index): OpTest<Device>[] =>
    op.vjp && checkedInputs(c).length > 0
      ? [
          {
            name: `gradient of case ${index}`,
            bound: GRADIENT_FACTOR * valueBound(c),
            run: (device) => gradientErrors(device, op, c),
          },
        ]
      : [],
  );
  return inTurns([valueTests(op), gradients]);
}

/** Returns the errors; null where the adapter lacks what one of the gradient's kernels needs. */
async function gradientErrors(device: Device, op: Op, c: OpCase): Promise<number[] | null> {
  try {
    const { actual, expected } = await runGradient(device, op, c);
    return expected.map((e, i) => nmse(at(actual, i), e));
  } catch (error) {
    if (error instanceof AdapterLacksError) {
      return null;
    }
    throw error;
  }
}

/** The first of each list, then the second of each: a limit leaves out the last cases of all rather than all of the last. */
export function inTurns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
