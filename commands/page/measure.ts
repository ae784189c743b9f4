/** Measures the page in a browser: what it fetches, how long it takes, and how long its main thread is held. */
import type { Page } from 'playwright-core';
import { launchChromium } from './launch_chromium.ts';

/** A visit of the page. */
export interface Visit {
  readonly visit: 'first' | 'second';
  /** Requests that left the browser, and the bytes of their answers (bodies and headers). */
  readonly requests: number;
  readonly bytes: number;
  /** Requests that were answered with an error. */
  readonly missing: number;
  /** Seconds until the models were ready. */
  readonly ready: number;
  /** Seconds from Run to the first picture, and to the end. */
  readonly firstPicture: number;
  readonly run: number;
  /** The longest task of the main thread, in milliseconds, over loading and the run; 50 or less counts as none. */
  readonly longestTask: number;
  /** The bytes of the main thread's JavaScript heap after the run. */
  readonly heap: number;
}

const PATIENCE_MS = 540_000;

/** @param url where the page is served @param iterations of the run */
export async function measurePage(url: string, iterations: number): Promise<Visit[]> {
  const browser = await launchChromium();
  try {
    const context = await browser.newContext();
    const visits: Visit[] = [];
    for (const visit of ['first', 'second'] as const) {
      const page = await context.newPage();
      visits.push(await measureVisit(page, visit, url, iterations));
      await page.close();
    }
    return visits;
  } finally {
    await browser.close();
  }
}

async function measureVisit(page: Page, visit: Visit['visit'], url: string, iterations: number): Promise<Visit> {
  let [requests, bytes, missing] = [0, 0, 0];
  const sizes: Promise<void>[] = [];
  page.context().on('response', (response) => {
    if (response.fromServiceWorker()) {
      return;
    }
    requests += 1;
    missing += response.status() >= 400 ? 1 : 0;
    sizes.push(
      response
        .request()
        .sizes()
        .then((size) => {
          bytes += size.responseBodySize + size.responseHeadersSize;
        })
        .catch(() => {}),
    );
  });
  await page.addInitScript(() => {
    const tasks = { longest: 0 };
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        tasks.longest = Math.max(tasks.longest, duration);
      }
    }).observe({ type: 'longtask', buffered: true });
  });
  const address = new URL(url);
  address.searchParams.set('prompt', 'a photo of a blue duck and a green car');
  address.searchParams.set('seed', '1');
  address.searchParams.set('iterations', String(iterations));
  const state = (wanted: string): Promise<unknown> =>
    page.waitForFunction((name) => document.documentElement.dataset.state === name, wanted, { timeout: PATIENCE_MS });

  const start = performance.now();
  await page.goto(address.href, { timeout: PATIENCE_MS });
  await state('ready');
  const ready = performance.now();
  await page.evaluate(() => document.getElementById('init-loss')?.replaceChildren());
  const begun = performance.now();
  await page.click('#run', { timeout: PATIENCE_MS });
  await page.waitForFunction(() => document.getElementById('init-loss')?.textContent?.includes('loss'), null, {
    timeout: PATIENCE_MS,
  });
  const shown = performance.now();
  await state('ready');
  const ended = performance.now();
  await Promise.all(sizes);
  const { longest, heap } = await page.evaluate(() => {
    const { tasks } = globalThis as unknown as { tasks: { longest: number } };
    const { memory } = performance as unknown as { memory?: { usedJSHeapSize: number } };
    return { longest: tasks.longest, heap: memory?.usedJSHeapSize ?? 0 };
  });
  const seconds = (from: number, to: number): number => (to - from) / 1000;
  return {
    visit,
    requests,
    bytes,
    missing,
    ready: seconds(start, ready),
    firstPicture: seconds(begun, shown),
    run: seconds(begun, ended),
    longestTask: longest,
    heap,
  };
}
