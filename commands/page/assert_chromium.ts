/** The check that there is a browser, before anything is built for it. */
import { onSignal } from '../../src/cli/interruption.ts';
import { UsageError } from '../../src/cli/usage_error.ts';

/**
 * From here on a signal ends the command at once and the browser with it: one that traces or hangs would not answer.
 * @throws UsageError, one sentence, where there is no Chromium
 */
export async function assertChromium(): Promise<void> {
  const { CHROMIUM } = await import('./launch_chromium.ts');
  if (!CHROMIUM) {
    throw new UsageError('no Chromium is in /usr/bin; install it, or name one with the variable CHROMIUM');
  }
  onSignal((code) => process.exit(code)); // Playwright kills its browser when the process exits.
}
