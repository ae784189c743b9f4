/** The adapter that a command runs on. */
import { type AdapterChoice, openDevice } from '../platform/node/open_device.ts';
import type { Device } from '../tensor/device/device.ts';
import { UsageError } from './usage_error.ts';

/** Opens the chosen adapter, or the best there is. @throws Error, one sentence, when there is none or none of that name. */
export function openAdapter(choice: AdapterChoice = {}): Promise<Device> {
  return openDevice({ ...choice, subgroupMatrix: wantsSubgroupMatrix(), quiet: true });
}

/** Whether matrix units are used: unless RENO_SUBGROUP_MATRIX is 0. @throws UsageError when it is neither 1 nor 0 */
export function wantsSubgroupMatrix(setting = process.env.RENO_SUBGROUP_MATRIX): boolean {
  if (setting !== undefined && !['', '0', '1'].includes(setting)) {
    throw new UsageError(`RENO_SUBGROUP_MATRIX must be 0 (leave matrix units unused) or 1, not "${setting}"`);
  }
  return setting !== '0';
}

/** The adapter's name for people. */
export function adapterName({ info }: Pick<Device, 'info'>): string {
  return info.description || info.vendor;
}
