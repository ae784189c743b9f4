/** A run outlives a reload, a closed tab and a dead GPU process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { type Studio, Tab } from '../studio.ts';

const RUN = { prompt: 'a photo of two red cars', seed: '5', iterations: '5' };

export function keepSuite(studio: () => Studio): void {
  describe('a run that is kept', () => {
    let tab: Tab;
    /** The pictures of the same run without interruption. */
    let init: string;
    let best: string;
    beforeAll(async () => {
      tab = await studio().open(RUN);
      await tab.waitFor('ready');
      await tab.run();
      [init, best] = [await tab.picture('init'), await tab.picture('best')];
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.page.context().close());

    const losses = (): Promise<string[]> => tab.page.locator('#charts .value').allTextContents();

    it('goes on after the tab was closed, from its last iteration, to the same pictures', async () => {
      const whole = await losses();
      await tab.page.click('#run');
      await tab.waitForIterations(3);
      const context = tab.page.context();
      await tab.page.close();
      tab = new Tab(await context.newPage());
      await tab.page.goto(studio().url); // Without the settings: the kept run brings them.
      await tab.page.waitForFunction(() => document.querySelector('#init-loss')?.textContent !== '');
      expect(await tab.state()).toBe('loading');
      expect(await tab.picture('init')).toBe(init);
      expect(await tab.page.inputValue('#prompt')).toBe(RUN.prompt);
      await tab.waitFor('running');
      expect(await tab.page.textContent('#announcement')).toContain('goes on');
      await tab.waitFor('ready');
      expect(await tab.page.textContent('#status')).toContain('5 iterations');
      expect(await tab.picture('best')).toBe(best);
      expect(await losses()).toEqual(whole);
    });

    it('goes on when the GPU process dies; stays paused over a reload, and shows nothing new meanwhile', async () => {
      await tab.page.click('#run');
      await tab.waitForIterations(1);
      const devtools = await studio().browser.newBrowserCDPSession();
      await devtools.send('Browser.crashGpuProcess').catch(() => {});
      await tab.page.waitForFunction(
        () => /another device/.test(document.querySelector('#notice')?.textContent ?? ''),
        null,
        { timeout: BROWSER_PATIENCE },
      );
      expect(await tab.page.textContent('#notice')).not.toMatch(/mapAsync|Failed to execute/);
      // Two iterations are always on the way: the last ones are held too.
      await tab.waitForIterations(2);
      await tab.page.click('#pause');
      const at = await tab.iteration('now');
      expect(await tab.page.textContent('#status')).toContain(`${at + 1} iterations`);
      await tab.page.waitForTimeout(2000);
      expect(await tab.iteration('now')).toBe(at);
      expect(await tab.state()).toBe('paused');
      await tab.page.reload();
      await tab.waitFor('paused');
      await tab.page.click('#pause');
      await tab.waitFor('ready');
      expect(await tab.page.textContent('#status')).toContain('5 iterations');
      expect(await tab.picture('best')).toBe(best);
    });

    it('is judged again where it is shown as it ended', async () => {
      await tab.page.reload();
      await tab.waitFor('ready');
      expect(await tab.picture('best')).toBe(best);
      await expect
        .poll(() => tab.page.textContent('#best-verdict'), { timeout: BROWSER_PATIENCE })
        .toMatch(/^asked: two red cars; found: .*[✓✗]$/);
    });
  });
}
