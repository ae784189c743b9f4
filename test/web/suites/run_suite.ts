/** A run in the page: its progress, its pictures, pause and stop. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { SHORT_RUN, type Studio, type Tab, withoutWebGpu } from '../studio.ts';

export function runSuite(studio: () => Studio): void {
  describe('a run', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await studio().open(SHORT_RUN);
      await tab.waitFor('ready');
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.close());

    it('names the adapter', async () => {
      expect(await tab.page.textContent('#adapter')).toMatch(/swiftshader/i);
      expect(await tab.page.textContent('header')).not.toContain('on your GPU');
    });

    it('lowers the loss and changes the picture', async () => {
      await tab.run();
      expect(await tab.page.textContent('#status')).toContain('3 iterations');
      expect(await tab.iteration('now')).toBe(2);
      expect(await tab.loss('best')).toBeLessThan(await tab.loss('init'));
      expect(await tab.picture('best')).not.toBe(await tab.picture('init'));
      expect(await tab.page.locator('#charts .chart').count()).toBeGreaterThanOrEqual(4);
      // The card to share waits for the evaluator's verdict on the best picture.
      await tab.page.waitForSelector('a[download$="report.html"]:visible');
      expect(tab.problems).toEqual([]);
    });

    it('starts the same seed with the same bytes, pauses, and stops early', async () => {
      const before = await tab.picture('init');
      await tab.page.fill('#iterations', '40');
      await tab.page.click('#run');
      expect(await tab.picture('init')).not.toBe(before);
      await tab.waitForIterations(1);
      expect(await tab.picture('init')).toBe(before);
      await tab.page.click('#pause');
      expect(await tab.state()).toBe('paused');
      await tab.page.click('#stop');
      await tab.waitFor('ready');
      expect(await tab.page.textContent('#status')).toContain('interrupted');
    });
  });

  it('says one clear sentence where WebGPU is missing', async () => {
    const tab = await studio().open({}, { before: withoutWebGpu });
    await tab.waitFor('unusable');
    expect(await tab.page.textContent('#notice')).toContain('no WebGPU');
    expect(await tab.page.isVisible('form')).toBe(false);
    await tab.close();
  });
}
