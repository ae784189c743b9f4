/** Opens a device, also while the browser starts its GPU process again. */
import { openDevice } from '../../platform/browser/open_device.ts';
import type { Device } from '../../tensor/device/device.ts';

/** Waits between attempts, in milliseconds: a browser has its GPU process again within a few seconds. */
const WAITS = [250, 500, 1000, 2000, 4000];

/** @throws Error, one sentence, where there is no adapter after all attempts */
export async function awaitDevice(): Promise<Device> {
  for (const wait of WAITS) {
    try {
      return await openDevice();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return openDevice().catch(() => {
    throw new Error(
      'the browser gives this page no graphics adapter any more: close other tabs that use the GPU, or start the browser again',
    );
  });
}
