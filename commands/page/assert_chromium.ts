/** The check that there is a browser, before anything is built for it. */
import { UsageError } from '../../src/cli/usage_error.ts';

/** @throws UsageError, one sentence, where there is no Chromium */
export async function assertChromium(): Promise<void> {
  const { CHROMIUM } = await import('./launch_chromium.ts');
  if (!CHROMIUM) {
    throw new UsageError('no Chromium is in /usr/bin; install it, or name one with the variable CHROMIUM');
  }
}
