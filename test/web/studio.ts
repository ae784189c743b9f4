/** One server and one browser for all tests of the page, and what they do with a tab. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../../commands/page/launch_chromium.ts';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { buildPage } from '../../tools/lib/page.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveFiles } from '../../tools/lib/serve.mjs';
import { BROWSER_PATIENCE } from '../support/chromium.ts';

/** The settings of a run, as the page's address has them. */
export interface Query {
  readonly prompt?: string;
  readonly seed?: string;
  readonly iterations?: string;
}

export interface TabOptions {
  /** A context of its own: other tabs' storage is not seen. Default: true. */
  readonly context?: BrowserContext;
  readonly width?: number;
  readonly height?: number;
  /** Runs in the tab before the page does. */
  readonly before?: (page: Page) => Promise<unknown>;
}

export const SHORT_RUN: Query = { prompt: 'a photo of a blue duck and a green car', seed: '1', iterations: '3' };

/** Takes WebGPU away from a tab, before its page runs. */
export const withoutWebGpu = (page: Page): Promise<unknown> =>
  page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));

/** A tab that shows the page. */
export class Tab {
  readonly page: Page;
  /** Errors and warnings that the page or the browser has reported. */
  readonly problems: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(60_000); // For clicks on a busy machine; a test that fails takes that long.
    page.setDefaultNavigationTimeout(BROWSER_PATIENCE);
    page.on('pageerror', (error) => this.problems.push(error.message));
    page.on('console', (message) => {
      if (/error|warning/.test(message.type())) {
        this.problems.push(`${message.text()} (${message.location().url})`);
      }
    });
  }

  state(): Promise<string | undefined> {
    return this.page.evaluate(() => document.documentElement.dataset.state);
  }

  /** Waits until the page is in a state. @throws Error with the page's own words when it is unusable instead */
  async waitFor(wanted: string): Promise<void> {
    await this.page.waitForFunction(
      (state) => [state, 'unusable'].includes(document.documentElement.dataset.state ?? ''),
      wanted,
      { timeout: BROWSER_PATIENCE },
    );
    const state = await this.state();
    if (state !== wanted) {
      throw new Error(`the page is ${state}, not ${wanted}: ${await this.page.textContent('#notice')}`);
    }
  }

  /** Starts a run and waits for its end. */
  async run(): Promise<void> {
    await this.page.click('#run');
    await this.waitFor('running');
    await this.waitFor('ready');
  }

  /** Waits until this many iterations are shown. */
  async waitForIterations(count: number): Promise<void> {
    await this.page.waitForFunction(
      (least) =>
        document.documentElement.dataset.state !== 'loading' &&
        (document.querySelector<HTMLProgressElement>('#progress')?.value ?? 0) >= least,
      count,
      { timeout: BROWSER_PATIENCE },
    );
  }

  /** The picture on a canvas, as a PNG in a `data:` URI. */
  picture(id: string): Promise<string> {
    return this.page.evaluate((name) => (document.getElementById(name) as HTMLCanvasElement).toDataURL(), id);
  }

  async loss(id: string): Promise<number> {
    return Number(/loss (\S+)/.exec((await this.page.textContent(`#${id}-loss`)) ?? '')?.[1]);
  }

  async iteration(id: string): Promise<number> {
    return Number(/iteration (\d+)/.exec((await this.page.textContent(`#${id}-loss`)) ?? '')?.[1]);
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

export interface Server {
  readonly url: string;
  close(): Promise<void>;
}

/** The files of the page, as `npm run build` writes them. */
type Files = ReadonlyMap<string, Uint8Array>;

/** The server and the browser. */
export class Studio {
  readonly browser: Browser;
  readonly files: Files;
  readonly #server: Server;

  private constructor(browser: Browser, files: Files, server: Server) {
    this.browser = browser;
    this.files = files;
    this.#server = server;
  }

  get url(): string {
    return this.#server.url;
  }

  static async start(): Promise<Studio> {
    const files: Files = await buildPage({ minify: true });
    return new Studio(await launchChromium(), files, await serve(files, '/a/folder/'));
  }

  /** Serves the page a second time. */
  serve(base = '/'): Promise<Server> {
    return serve(this.files, base);
  }

  /** Opens the page in a tab. */
  async open(query: Query = {}, { context, width = 1100, height = 900, before }: TabOptions = {}): Promise<Tab> {
    const own = context ?? (await this.browser.newContext());
    const page = await own.newPage();
    await page.setViewportSize({ width, height });
    await before?.(page);
    const tab = new Tab(page);
    const address = new URL(this.url);
    for (const [name, value] of Object.entries(query)) {
      address.searchParams.set(name, value);
    }
    await page.goto(address.href);
    return tab;
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.#server.close();
  }
}

/** @param base the path under which the page is served */
const serve = (files: Files, base: string): Promise<Server> => serveFiles(async () => files, { port: 0, base });
