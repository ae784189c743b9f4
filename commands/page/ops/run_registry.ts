/** Runs the op registry in Chromium, from a page that this machine serves under the policy of the studio. */

// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { buildBarePage } from '../../../tools/lib/page.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveFiles } from '../../../tools/lib/serve.mjs';
import { launchChromium } from '../launch_chromium.ts';
import type { Bridge } from './in_browser.ts';
import type { BrowserAdapter, RegistryRow } from './registry_row.ts';

export interface RegistryRun {
  /** Chromium's name and version. */
  readonly browser: string;
  readonly adapters: readonly BrowserAdapter[];
  readonly rows: readonly RegistryRow[];
}

/** How much of the registry runs. */
export interface RegistryPart {
  /** Only ops with one of these texts in their name. Default: all. */
  readonly names?: readonly string[] | undefined;
  /** So many cases of each op at most. Default: all. */
  readonly cases?: number | undefined;
}

/**
 * @param onRow called with the result of each op
 * @throws Error, one sentence: the browser has no adapter, its device or the tab was lost, or the policy refused something
 */
export async function runRegistry(
  { names = [''], cases = Number.MAX_SAFE_INTEGER }: RegistryPart,
  onRow: (row: RegistryRow) => void = () => {},
): Promise<RegistryRun> {
  const files = await buildBarePage('commands/page/ops/in_browser.ts');
  const server = await serveFiles(async () => files, { port: 0 });
  const browser = await launchChromium();
  try {
    const rows: RegistryRow[] = [];
    const page = await browser.newPage();
    const adapters = await new Promise<readonly BrowserAdapter[]>((resolve, reject) => {
      const bridge: Bridge = {
        wanted: async () => ({ names, cases }),
        row: async (row) => {
          rows.push(row);
          onRow(row);
        },
        done: async (end) => ('adapters' in end ? resolve(end.adapters) : reject(new Error(end.sentence))),
      };
      page.on('pageerror', reject);
      page.on('crash', () => reject(new Error('the tab of the browser has crashed')));
      browser.on('disconnected', () => reject(new Error('the browser has ended')));
      page.on('console', (message) => {
        if (message.type() === 'error') {
          reject(new Error(`the browser reports: ${message.text()}`));
        }
      });
      Promise.all(Object.entries(bridge).map(([name, answer]) => page.exposeFunction(name, answer)))
        .then(() => page.goto(server.url))
        .catch(reject);
    });
    return { browser: `Chromium ${browser.version()}`, adapters, rows };
  } finally {
    await browser.close();
    await server.close();
  }
}
