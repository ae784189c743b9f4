/** Measures the page in a browser: what it fetches, how long it takes, and how long its main thread is held. */
import type { Browser, BrowserContext } from 'playwright-core';
import { launchChromium } from './launch_chromium.ts';
import { type Task, tracedTasks } from './main_thread.ts';
import { MEASURED, StudioPage } from './studio_page.ts';

/** A visit of the page. */
export interface Visit {
  readonly visit: 'first' | 'second';
  /** Requests that left the browser, and the bytes of their answers (bodies and headers): its cache answers the others. */
  readonly requests: number;
  readonly bytes: number;
  /** Requests that were answered with an error. */
  readonly missing: number;
  /** Seconds until the models were ready. */
  readonly ready: number;
  /** Seconds from Run to the first picture, and to the end. */
  readonly firstPicture: number;
  readonly run: number;
  /**
   * The longest task of the main thread over loading and the run, in milliseconds of CPU time: other work on the machine does not
   * lengthen it.
   */
  readonly longestTask: number;
  /** The longest task by the clock, in milliseconds. */
  readonly longestWall: number;
  /** The longest tasks and their parts. */
  readonly tasks: readonly Task[];
  /** The bytes of the main thread's JavaScript heap after the run. */
  readonly heap: number;
}

/** Tasks that are told. */
const TOLD = 5;

/** @param url where the page is served @param iterations of the run */
export async function measurePage(url: string, iterations: number): Promise<Visit[]> {
  const browser = await launchChromium();
  try {
    const context = await browser.newContext();
    return [
      await measureVisit(browser, context, 'first', url, iterations),
      await measureVisit(browser, context, 'second', url, iterations),
    ];
  } finally {
    await browser.close();
  }
}

async function measureVisit(
  browser: Browser,
  context: BrowserContext,
  visit: Visit['visit'],
  url: string,
  iterations: number,
): Promise<Visit> {
  const page = await context.newPage();
  let [requests, bytes, missing] = [0, 0, 0];
  const sizes: Promise<void>[] = [];
  context.on('response', (response) => {
    if (response.fromServiceWorker()) {
      return;
    }
    sizes.push(
      response
        .request()
        .sizes()
        .then((size) => {
          if (size.responseBodySize > 0 || response.status() !== 200) {
            requests += 1;
            missing += response.status() >= 400 ? 1 : 0;
            bytes += size.responseBodySize + size.responseHeadersSize;
          }
        })
        .catch(() => {}),
    );
  });
  const studio = new StudioPage(page);
  let [ready, firstPicture, run] = [0, 0, 0];
  const tasks = await tracedTasks(browser, page, async () => {
    const start = performance.now();
    await studio.open(url);
    ready = (performance.now() - start) / 1000;
    ({ firstPicture, whole: run } = await studio.run({ ...MEASURED, iterations }));
    await page.waitForSelector('#downloads a', { state: 'visible' });
  });
  await Promise.all(sizes);
  const heap = await page.evaluate(
    () => (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0,
  );
  context.removeAllListeners('response');
  await page.close();
  return {
    visit,
    requests,
    bytes,
    missing,
    ready,
    firstPicture,
    run,
    longestTask: tasks[0]?.cpu ?? Number.NaN,
    longestWall: Math.max(...tasks.map(({ wall }) => wall)),
    tasks: tasks.slice(0, TOLD),
    heap,
  };
}
