/** A tab of the studio, as a user drives it: it opens with settings, runs, and saves what it made. */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type { PngPicture } from '../../src/platform/node/png.ts';
import type { History } from '../../src/reno/report/history.ts';

/** A run that the page is asked for. */
export interface AskedRun {
  readonly prompt: string;
  readonly seed: number;
  readonly iterations: number;
}

/** The prompt of the measurements. */
export const MEASURED: Omit<AskedRun, 'iterations'> = { prompt: 'a photo of a blue duck and a green car', seed: 1 };

/** The longest that a load or a run may take, in milliseconds: SwiftShader on a busy machine takes seconds an iteration. */
export const PATIENCE_MS = 540_000;

/** Often enough for times in tenths of seconds, and seldom enough to add no work worth measuring to the page. */
const EACH_MS = 100;

export class StudioPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
  }

  /** Opens the page as a visitor does who has no link to a run, and waits until the models are loaded. */
  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.#ready();
  }

  /** Fills the form, starts a run and waits for its end. @param button starts it @returns seconds until the first picture and until the end */
  async run(
    { prompt, seed, iterations }: AskedRun,
    button = '#run',
  ): Promise<{ readonly firstPicture: number; readonly whole: number }> {
    await this.page.fill('#prompt', prompt);
    await this.page.fill('#seed', String(seed));
    await this.page.fill('#iterations', String(iterations));
    await this.page.evaluate(() => document.getElementById('init-loss')?.replaceChildren());
    const begun = performance.now();
    await this.page.click(button);
    await this.#until(() => document.getElementById('init-loss')?.textContent?.includes('loss') === true);
    const shown = performance.now();
    await this.#ready();
    return { firstPicture: (shown - begun) / 1000, whole: (performance.now() - begun) / 1000 };
  }

  /** The numbers of the run that has ended, as the laboratory saves them. */
  async history(): Promise<History> {
    const saved = this.page.waitForEvent('download');
    await this.page.click('#save-history');
    return JSON.parse(await readFile(await (await saved).path(), 'utf8')) as History;
  }

  /** The picture on a canvas. @param id such as `init` */
  async picture(id: string): Promise<PngPicture> {
    const pixels = await this.page.evaluate((name) => {
      const canvas = document.getElementById(name) as HTMLCanvasElement;
      const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return { height: canvas.height, width: canvas.width, data: [...data].filter((_, i) => i % 4 !== 3) };
    }, id);
    return { ...pixels, data: Uint8Array.from(pixels.data) };
  }

  /** Asks the page from time to time. */
  async #until(isSo: () => boolean): Promise<void> {
    await this.page.waitForFunction(isSo, null, { polling: EACH_MS });
  }

  async #ready(): Promise<void> {
    await this.#until(() => ['ready', 'unusable'].includes(document.documentElement.dataset.state ?? ''));
    const notice = await this.page.textContent('#notice');
    if ((await this.page.evaluate(() => document.documentElement.dataset.state)) === 'unusable') {
      throw new Error(`the page is unusable: ${notice}`);
    }
  }
}
