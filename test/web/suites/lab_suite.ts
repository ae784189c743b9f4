/** The laboratory, on the recorded run: any iteration can be looked at, compared and saved, also without WebGPU. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { type Studio, type Tab, withoutWebGpu } from '../studio.ts';

export function labSuite(studio: () => Studio): void {
  describe('the laboratory', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await studio().open(
        {},
        {
          before: async (page) => {
            await page.emulateMedia({ reducedMotion: 'reduce' });
            await withoutWebGpu(page);
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

    it('saves the picture, the run as a GIF and as a film, and its numbers, and says why it has no noise', async () => {
      const png = await save('#save-png');
      expect(png.name).toMatch(/ iteration 40\.png$/);
      expect(png.bytes.readUInt32BE(16)).toBe(192);
      const gif = await save('#save-gif');
      expect(gif.bytes.toString('latin1', 0, 6)).toBe('GIF89a');
      const film = await save('#save-webm');
      expect(film.name).toMatch(/\.webm$/);
      // The browser plays it itself.
      const player = await studio().browser.newPage();
      const size = await player.evaluate(
        async (bytes) => {
          const video = document.createElement('video');
          video.muted = true;
          video.src = URL.createObjectURL(new Blob([new Uint8Array(bytes)], { type: 'video/webm' }));
          await video.play();
          return `${video.videoWidth}×${video.videoHeight}`;
        },
        [...film.bytes],
      );
      expect(size).toBe('192×192');
      await player.close();
      const history = JSON.parse((await save('#save-history')).bytes.toString()) as { iterations: unknown[] };
      expect(history.iterations.length).toBeGreaterThan(10);
      await tab.page.click('#save-latents');
      await expect.poll(() => tab.page.textContent('#lab-said')).toContain('The recording holds no noise');
      expect(tab.problems).toEqual([]);
    });
  });
}
