/** The laboratory, on the recorded run: any iteration can be looked at, compared and saved, also without WebGPU. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { History } from '../../../src/reno/history.ts';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import type { Studio, Tab } from '../studio.ts';

/** Levers and noise of a run on the page's own models. */
export function leverSuite(studio: () => Studio): void {
  it(
    'moves levers, records them, and goes on from saved noise',
    async () => {
      const tab = await studio().open({ prompt: 'a photo of two apples', seed: '44', iterations: '3' });
      await tab.waitFor('ready');
      await tab.run();
      await tab.page.waitForSelector('#lab:visible');
      const [saved] = await Promise.all([tab.page.waitForEvent('download'), tab.page.click('#save-latents')]);
      const best = await tab.picture('best');
      await tab.page.waitForSelector('#gallery:visible');
      expect(await tab.page.textContent('#gallery-list .again')).toMatch(/^two apples, seed 44: /);

      await tab.page.click('#levers-open');
      await tab.page.waitForSelector('#levers:visible');
      await tab.waitFor('ready');
      await tab.page.uncheck('#levers input[aria-label="HPS counts"]');
      expect(await tab.page.inputValue('#levers input[aria-label="HPS, weight"]')).toBe('0');
      await tab.page.fill('#levers input[aria-label="Learning rate"]', '0');
      await tab.page.press('#levers input[aria-label="Learning rate"]', 'Enter');
      await tab.page.click('#noise summary');
      await tab.page.focus('#seed'); // A number is taken when its field is left.
      await tab.page.setInputFiles('#load-latents', await saved.path());
      await tab.waitFor('running');
      await tab.waitFor('ready');
      expect(await tab.picture('init')).toBe(best);
      const [file] = await Promise.all([tab.page.waitForEvent('download'), tab.page.click('#save-history')]);
      const history = JSON.parse(readFileSync(await file.path(), 'utf8')) as History;
      expect(history.levers?.[0]?.levers).toMatchObject({ lr: 0, rewards: { HPS: 0 } });
      expect(history.config.noise.given).toBe(true);
      // Nothing moves with a learning rate of 0.
      expect(history.iterations.at(-1)?.total).toBe(history.iterations[0]?.total);

      await tab.page.setInputFiles('#load-latents', { name: 'x.safetensors', mimeType: '', buffer: Buffer.from('no') });
      await expect.poll(() => tab.page.textContent('#lab-said')).toMatch(/^X\.safetensors/);
      expect(await tab.page.textContent('#noise-value')).toMatch(/^0, 0: -?\d\.\d\d$/);
      expect(await tab.picture('noise-map')).not.toBe(await tab.picture('gradient-map'));
      await tab.page.click('#push-up');
      expect(await tab.page.textContent('#noise-value')).toContain('only a run that is on can be pushed');
      await expect.poll(() => tab.page.locator('#gallery-list li').count()).toBe(2);
      await tab.page.click('#gallery-list li:first-child button:last-child');
      await expect.poll(() => tab.page.locator('#gallery-list li').count()).toBe(1);
      await tab.page.click('#gallery-clear');
      await tab.page.waitForSelector('#gallery', { state: 'hidden' });
      await tab.page.click('#levers-reset');
      expect(await tab.page.inputValue('#levers input[aria-label="Learning rate"]')).toBe('2');
      expect(tab.problems).toEqual([]);
      await tab.close();
    },
    BROWSER_PATIENCE,
  );
}

export function labSuite(studio: () => Studio): void {
  describe('the laboratory', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await studio().open(
        {},
        {
          before: async (page) => {
            await page.emulateMedia({ reducedMotion: 'reduce' });
            await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
          },
        },
      );
      await tab.page.waitForSelector('#lab:visible');
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.close());
    const save = async (button: string): Promise<{ name: string; bytes: Buffer }> => {
      const [download] = await Promise.all([tab.page.waitForEvent('download'), tab.page.click(button)]);
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    };

    it('looks at any iteration: picture, verdict, comparison and all curves', async () => {
      const last = await tab.picture('now');
      await tab.page.fill('#lab-iteration', '1');
      expect(await tab.iteration('now')).toBe(1);
      expect(await tab.picture('now')).not.toBe(last);
      expect(await tab.page.textContent('#now-verdict')).toContain('✗');
      expect(await tab.page.textContent('#compare-note')).toContain('0 and 1 differ by');
      await expect
        .poll(() => tab.page.$$eval('.chart .cursor', (marks) => marks.every((m) => Number(m.getAttribute('cx')) > 0)))
        .toBe(true);
      await tab.page.focus('#lab-iteration');
      await tab.page.keyboard.press('ArrowRight');
      expect(await tab.iteration('now')).toBe(2);
      await tab.page.click('#lab-back');
      await tab.page.click('#lab-first');
      expect(await tab.iteration('now')).toBe(0);
      expect(await tab.page.textContent('#compare-note')).toContain('differ by 0.0 %');
    });

    it('chooses an iteration on a curve', async () => {
      const chart = tab.page.locator('#charts svg').first();
      const width = (await chart.boundingBox())?.width ?? 0;
      await chart.click({ position: { x: 0.6 * width, y: 40 } });
      expect(await tab.iteration('now')).toBeGreaterThan(10);
    });

    it('plays, and holds', async () => {
      await tab.page.click('#lab-first');
      await tab.page.click('#lab-play');
      await tab.page.waitForFunction(() =>
        /iteration [3-9] /.test(document.getElementById('now-loss')?.textContent ?? ''),
      );
      await tab.page.click('#lab-play');
      expect(await tab.page.textContent('#lab-play')).toBe('Play');
    });

    it('compares by a cut and by the difference', async () => {
      await tab.page.fill('#lab-iteration', '40');
      await tab.page.fill('#compare-cut', '100');
      expect(await tab.picture('compare')).toBe(await tab.picture('init'));
      await tab.page.fill('#compare-cut', '0');
      expect(await tab.picture('compare')).toBe(await tab.picture('now'));
      await tab.page.selectOption('#compare-how', 'difference');
      expect(await tab.picture('compare')).not.toBe(await tab.picture('now'));
      expect(await tab.page.isVisible('#compare-cut')).toBe(false);
    });

    it('saves the picture, the run as a GIF and its numbers, and says why it has no noise', async () => {
      const png = await save('#save-png');
      expect(png.name).toMatch(/ iteration 40\.png$/);
      expect(png.bytes.readUInt32BE(16)).toBe(256);
      const gif = await save('#save-gif');
      expect(gif.bytes.toString('latin1', 0, 6)).toBe('GIF89a');
      const history = JSON.parse((await save('#save-history')).bytes.toString()) as { iterations: unknown[] };
      expect(history.iterations.length).toBeGreaterThan(10);
      await tab.page.click('#save-latents');
      await expect.poll(() => tab.page.textContent('#lab-said')).toContain('The recording holds no noise');
      expect(tab.problems).toEqual([]);
    });
  });
}
