/** Loading: what is asked for, what happens when it does not come, and a second visit without network. */
import { describe, expect, it } from 'vitest';
import { SHORT_RUN, type Studio, Tab } from '../studio.ts';

/** The page's own scripts, style and HTML, before anything is computed. */
const START_BYTES = 120_000;

export function loadSuite(studio: () => Studio): void {
  describe('loading', () => {
    it('asks for few files, all of which are there, keeps what is typed meanwhile, and works offline the next time', async () => {
      const server = await studio().serve();
      const context = await studio().browser.newContext();
      const page = await context.newPage();
      const tab = new Tab(page);
      const answers: { readonly url: string; readonly status: number }[] = [];
      page.on('response', (response) => {
        if (!response.fromServiceWorker()) {
          answers.push({ url: response.url(), status: response.status() });
        }
      });
      const start: number[] = [];
      page.on('requestfinished', async (request) => {
        if (/\.(html|js|css)$|\/$/.test(new URL(request.url()).pathname) && !/worker|sw\.js/.test(request.url())) {
          start.push((await request.sizes()).responseBodySize);
        }
      });
      await page.goto(server.url);
      expect(await tab.state()).toBe('loading');
      const atStart = start.reduce((sum, bytes) => sum + bytes, 0);
      expect(atStart).toBeGreaterThan(0);
      expect(atStart).toBeLessThan(START_BYTES);
      await page.fill('#prompt', 'my own words');
      await page.fill('#seed', '77');
      await tab.waitFor('ready');
      expect(await page.inputValue('#prompt')).toBe('my own words');
      expect(await page.inputValue('#seed')).toBe('77');
      expect(answers.filter(({ status }) => status >= 400)).toEqual([]);
      const pocket = answers.filter(({ url }) => /\.(bin|safetensors)/.test(url));
      expect(pocket.map(({ url }) => url.replace(/.*assets\/(\w+)-.*/, '$1'))).toEqual(['pocket']);
      expect(answers.length).toBeLessThan(18);

      await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
      await server.close();
      await page.reload();
      await tab.waitFor('ready');
      expect(tab.problems).toEqual([]);
      await context.close();
    });

    it('says what did not come, and loads it on request', async () => {
      // A service worker's requests cannot be refused from here.
      const context = await studio().browser.newContext({ serviceWorkers: 'block' });
      let refused = true;
      await context.route(/\.bin$/, (route) => (refused ? route.abort() : route.continue()));
      const tab = await studio().open(SHORT_RUN, { context });
      await tab.page.waitForFunction(() => document.documentElement.dataset.state === 'unusable');
      const notice = (await tab.page.textContent('#notice')) ?? '';
      expect(notice).toContain('could not be loaded');
      expect(notice).not.toMatch(/folder|generator\//);
      refused = false;
      await tab.page.click('#notice button');
      await tab.waitFor('ready');
      expect(await tab.page.isVisible('#notice')).toBe(false);
      await context.close();
    });
  });
}
