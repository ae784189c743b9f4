/** The page in a real browser: Chromium without a display, WebGPU on SwiftShader (which has no shader-f16: packed weights). */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveWeb } from '../../tools/lib/bundle.mjs';
import { BROWSER_PATIENCE, CHROMIUM, launchChromium } from '../support/chromium.ts';

const WEIGHTS = join(resolve(import.meta.dirname, '../..'), 'weights/pocket/generator');
const ITERATIONS = 4;
const PROMPT = 'a photo of a blue duck and a green car';
const missing = !CHROMIUM
  ? 'no Chromium in /usr/bin, and the variable CHROMIUM names none'
  : !existsSync(WEIGHTS)
    ? 'no weights/pocket/generator'
    : null;
if (missing) {
  console.warn(`SKIPPED the browser tests: ${missing}.`);
}

describe.skipIf(missing !== null)('the page', { timeout: BROWSER_PATIENCE }, () => {
  let server: { url: string; close: () => Promise<void> };
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  const state = (): Promise<string | undefined> => page.evaluate(() => document.documentElement.dataset.state);
  const waitFor = (wanted: string): Promise<unknown> =>
    page.waitForFunction((s) => document.documentElement.dataset.state === s, wanted, { timeout: BROWSER_PATIENCE });
  const pixels = (id: string): Promise<string> =>
    page.evaluate((name) => (document.getElementById(name) as HTMLCanvasElement).toDataURL(), id);
  const loss = async (id: string): Promise<number> =>
    Number(/loss (\S+)/.exec((await page.textContent(`#${id}-loss`)) ?? '')?.[1]);
  const iteration = async (id: string): Promise<number> =>
    Number(/iteration (\d+)/.exec((await page.textContent(`#${id}-loss`)) ?? '')?.[1]);

  beforeAll(async () => {
    server = await serveWeb(0);
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      // Asking whether an optional file is there makes the browser log a 404.
      if (/error|warning/.test(message.type()) && !message.text().includes('404')) {
        problems.push(message.text());
      }
    });
    await page.goto(
      `${server.url}?${new URLSearchParams({ prompt: PROMPT, seed: '1', iterations: String(ITERATIONS) })}`,
    );
    await page.waitForFunction(() => document.documentElement.dataset.state !== 'loading', null, {
      timeout: BROWSER_PATIENCE,
    });
    if ((await state()) !== 'ready') {
      throw new Error(`the page says: ${await page.textContent('#notice')}`);
    }
  }, BROWSER_PATIENCE);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it('loads the models and names the adapter', async () => {
    expect(await page.textContent('#adapter')).toMatch(/swiftshader/i);
  });

  it('lowers the loss and changes the picture', async () => {
    await page.click('#run');
    await waitFor('running');
    await waitFor('ready');
    expect(await page.textContent('#status')).toContain(`${ITERATIONS} iterations`);
    expect(await iteration('now')).toBe(ITERATIONS - 1);
    expect(await loss('best')).toBeLessThan(await loss('init'));
    expect(await pixels('best')).not.toBe(await pixels('init'));
    expect(await page.locator('#charts .chart').count()).toBeGreaterThanOrEqual(4);
    expect(await page.isVisible('a[download="report.html"]')).toBe(true);
    expect(problems).toEqual([]);
  });

  it('starts the same seed with the same bytes, pauses, and stops early', async () => {
    const before = await pixels('init');
    await page.evaluate(() => {
      (document.getElementById('init') as HTMLCanvasElement).width = 1; // blank, so that what is compared is new
    });
    await page.fill('#iterations', '40');
    await page.click('#run');
    await page.waitForFunction(() => Number(document.querySelector('progress')?.value) >= 1, null, {
      timeout: BROWSER_PATIENCE,
    });
    expect(await pixels('init')).toBe(before);
    await page.click('#pause');
    expect(await state()).toBe('paused');
    await page.click('#stop');
    await waitFor('ready');
    expect(await page.textContent('#status')).toContain('interrupted');
  });

  it('says one clear sentence where WebGPU is missing', async () => {
    const bare = await browser.newPage();
    await bare.addInitScript(() => {
      Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined });
    });
    await bare.goto(server.url);
    await bare.waitForFunction(() => document.documentElement.dataset.state === 'unusable');
    expect(await bare.textContent('#notice')).toContain('no WebGPU');
    expect(await bare.isVisible('form')).toBe(false);
    await bare.close();
  });
});
