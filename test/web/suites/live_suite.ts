/** The laboratory on runs of this machine, in one tab: two lanes, steps, seeds, levers, saved noise, and the gallery. */
import { readFileSync } from 'node:fs';
import type { Download } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { History } from '../../../src/reno/report/history.ts';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { findings } from '../axe.ts';
import { type Studio, type Tab, withoutWebGpu } from '../studio.ts';

const RUN = { prompt: 'a photo of four chairs', seed: '50', iterations: '5' };
const JUDGED = /found: .*[✓✗]$/;

export function liveSuite(studio: () => Studio): void {
  describe('the laboratory on runs of this machine', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await studio().open(RUN);
      await tab.waitFor('ready');
      await tab.page.waitForSelector('#lanes:visible');
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.page.context().close());

    const text = async (selector: string): Promise<string> => (await tab.page.textContent(selector)) ?? '';
    const judged = (selector: string): Promise<unknown> =>
      tab.page.waitForFunction(
        ([at, wanted]) => new RegExp(wanted ?? '').test(document.querySelector(at ?? '')?.textContent ?? ''),
        [selector, JUDGED.source],
        { timeout: BROWSER_PATIENCE },
      );
    const saved = async (button: string): Promise<Download> => {
      const [download] = await Promise.all([tab.page.waitForEvent('download'), tab.page.click(button)]);
      return download;
    };

    it('holds both lanes in a pause, and a step shows one iteration more', async () => {
      expect(await text('#run-title')).toBe('');
      await tab.page.click('#race');
      await tab.waitForIterations(1);
      await tab.page.click('#pause');
      const at = await tab.iteration('now');
      await tab.page.focus('#step');
      await tab.page.keyboard.press('Enter');
      await tab.page.waitForFunction(
        (iteration) => document.querySelector('#now-loss')?.textContent?.startsWith(`iteration ${iteration} `),
        at + 1,
        { timeout: BROWSER_PATIENCE },
      );
      expect(await text('#status')).toBe(`Paused after ${at + 2} iterations`);
      const other = await text('#lane-other-work');
      await tab.page.waitForTimeout(1000);
      expect([await tab.iteration('now'), await text('#lane-other-work')]).toEqual([at + 1, other]);
      expect(await tab.state()).toBe('paused');
      expect(await findings(tab.page)).toEqual([]);
    });

    it('ends with as many pictures beside the iterations as they cost, and with a verdict on both lanes', async () => {
      await tab.page.click('#pause');
      await tab.waitFor('ready');
      await judged('#lane-reno-verdict');
      await judged('#lane-other-verdict');
      await expect.poll(() => text('#lane-reno-work')).toBe('5 of 5 iterations, the work of 9 pictures');
      expect(await text('#lane-other-work')).toBe('9 of 9 pictures');
      const words = await text('#race-words');
      expect(words).toMatch(
        /^By reward (ReNO|best-of-9) is ahead at the end: its lowest loss is [\d.]+, that of .* By verdict .*\.$/,
      );
      expect(await text('#race-announcement')).toBe(words);
      expect(await tab.picture('lane-reno-best')).toBe(await tab.picture('best'));
      expect(await tab.picture('lane-other-now')).not.toBe(await tab.picture('now'));
      expect(await tab.page.locator('#race-chart polyline').count()).toBe(2);
      for (const name of ['init', 'best', 'now']) {
        await judged(`#${name}-verdict`);
      }
      expect(await text('#run-title')).toContain('computed on this machine');
      expect(await text('#init-verdict')).toContain('asked: four chairs; found: four');
    });

    it('fits both lanes into 320 pixels and forced colours', async () => {
      await tab.page.setViewportSize({ width: 320, height: 640 });
      await tab.page.emulateMedia({ forcedColors: 'active', colorScheme: 'dark' });
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
      expect(await findings(tab.page)).toEqual([]);
      await tab.page.emulateMedia({ forcedColors: 'none', colorScheme: 'dark' });
      expect(await findings(tab.page)).toEqual([]);
      await tab.page.emulateMedia({ colorScheme: 'light' });
      await tab.page.setViewportSize({ width: 1100, height: 900 });
    });

    it('runs several seeds one after another by another method, and shows the one that is chosen with its ascent', async () => {
      await tab.page.fill('#iterations', '2');
      await tab.page.selectOption('#method', 'multi-start');
      expect(await text('#method-words')).toMatch(/ Here: 1 noise, then 1 ascent of 1 iteration\.$/);
      await tab.page.selectOption('#seeds-count', '2');
      await tab.page.click('#seeds');
      expect(await tab.page.isVisible('#race-view')).toBe(false);
      await tab.waitFor('ready');
      const cards = tab.page.locator('#seeds-list button');
      expect(await cards.count()).toBe(2);
      for (const at of [1, 2]) {
        await judged(`#seeds-list li:nth-child(${at}) .verdict`);
      }
      expect(await text('#run-title')).toMatch(/seed 51, computed on this machine by Multi-start$/);
      expect(new URL(tab.page.url()).searchParams.get('method')).toBe('multi-start');
      expect(await text('#ascents-words')).toMatch(/^1 noise of the seed judged, 1 ascent from the best of them/);
      await judged('#ascents-list .verdict');
      const second = await tab.picture('best');
      await cards.first().focus();
      await tab.page.keyboard.press('Enter');
      expect(await text('#run-title')).toContain('seed 50');
      expect(await tab.picture('best')).not.toBe(second);
      expect(await cards.first().getAttribute('aria-pressed')).toBe('true');
      expect(await tab.iteration('now')).toBe(1);
      expect(await findings(tab.page)).toEqual([]);
    });

    it('keeps finished runs in the gallery, each once, and deletes them', async () => {
      const entries = tab.page.locator('#gallery-list li');
      await expect.poll(() => entries.count()).toBe(3);
      const names = await entries.locator('.again').allTextContents();
      expect(names.map((name) => /seed (\d+)/.exec(name)?.[1])).toEqual(['51', '50', '50']);
      await entries.first().locator('button:last-child').click();
      await expect.poll(() => entries.count()).toBe(2);
      const later = await studio().open({}, { context: tab.page.context(), before: withoutWebGpu });
      await expect.poll(() => later.page.locator('#gallery-list li').count()).toBe(2);
      await later.close();
      await tab.page.click('#gallery-clear');
      await tab.page.waitForSelector('#gallery', { state: 'hidden' });
    });

    it('goes on from saved noise, and a lever that moves in the middle of a run changes it', async () => {
      await tab.page.waitForSelector('#lab:visible');
      const latents = await (await saved('#save-latents')).path();
      const best = await tab.picture('best');
      expect(await tab.page.isVisible('#levers-open')).toBe(false);
      await tab.page.setInputFiles('#load-latents', latents);
      await expect.poll(() => text('#lab-said')).toMatch(/^Multi-start begins with noises of its own/);
      await tab.page.selectOption('#method', 'reno');
      await tab.page.click('#levers-open');
      await tab.waitFor('loading');
      await tab.waitFor('ready');
      await tab.page.setInputFiles('#load-latents', { name: 'x.safetensors', mimeType: '', buffer: Buffer.from('no') });
      await expect.poll(() => text('#lab-said')).toMatch(/^X\.safetensors/);
      await tab.page.fill('#iterations', '8');
      await tab.page.focus('#prompt'); // A number is taken when its field is left.
      await tab.page.setInputFiles('#load-latents', latents);
      await tab.waitFor('running');
      await tab.waitForIterations(1);
      const rate = '#levers input[aria-label="Learning rate"]';
      await tab.page.fill(rate, '0');
      await tab.page.press(rate, 'Enter');
      await tab.waitFor('ready');
      expect(await tab.picture('init')).toBe(best);
      const history = JSON.parse(readFileSync(await (await saved('#save-history')).path(), 'utf8')) as History;
      expect(history.config.noise.given).toBe(true);
      const move = history.levers?.find(({ levers }) => levers.lr === 0);
      expect(move?.iteration).toBeGreaterThan(0);
      const totals = history.iterations.map(({ total }) => total);
      // The step of the iteration that found the lever moved is none: the noise stays from there on.
      expect(new Set(totals.slice(move?.iteration)).size).toBe(1);
      expect(new Set(totals).size).toBeGreaterThan(1);
      expect(tab.problems).toEqual([]);
    });
  });
}
