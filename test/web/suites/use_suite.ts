/** Using the page: by keyboard alone, on a phone, with forced colours, by a screen reader; and the words that it says. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { findings } from '../axe.ts';
import { SHORT_RUN, type Studio, type Tab } from '../studio.ts';

export function useSuite(studio: () => Studio): void {
  describe('using the page', () => {
    let tab: Tab;
    /** Returns the texts that a screen reader was told. */
    const told = (): Promise<string[]> => tab.page.evaluate(() => (globalThis as unknown as { told: string[] }).told);
    const focused = (): Promise<string | undefined> => tab.page.evaluate(() => document.activeElement?.id);
    const overflow = (): Promise<number> =>
      tab.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

    beforeAll(async () => {
      tab = await studio().open({ ...SHORT_RUN, iterations: '1' }, { width: 390, height: 844 });
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.page.context().close());

    it('shows no part of a run while it loads, and axe finds nothing', async () => {
      expect(await tab.state()).toBe('loading');
      expect(await tab.page.isVisible('#legend')).toBe(false);
      expect(await findings(tab.page)).toEqual([]);
      await tab.waitFor('ready');
      expect(await findings(tab.page)).toEqual([]);
    });

    it('refuses a prompt of spaces in words', async () => {
      await tab.page.fill('#prompt', '   ');
      await tab.page.click('#run');
      expect(await tab.state()).toBe('ready');
      expect(await tab.page.$eval('#prompt', (input) => (input as HTMLInputElement).validationMessage)).toContain(
        'what the picture should show',
      );
      await tab.page.fill('#prompt', SHORT_RUN.prompt ?? '');
    });

    it('shows the pictures of a run on a phone, and writes the settings into the address', async () => {
      // The pictures stand above the form there, and have left the screen.
      await tab.page.fill('#seed', '3');
      await tab.page.evaluate(() => document.getElementById('run')?.scrollIntoView({ block: 'start' }));
      await tab.page.click('#run');
      await tab.page.waitForFunction(() => {
        const { top, bottom } = (document.getElementById('best') as HTMLElement).getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      });
      await tab.waitFor('ready');
      const query = new URL(tab.page.url()).searchParams;
      expect([query.get('prompt'), query.get('seed'), query.get('iterations')]).toEqual([SHORT_RUN.prompt, '3', '1']);
      expect(await tab.page.textContent('#status')).toContain('Done: 1 iteration in');
      expect(await findings(tab.page)).toEqual([]);
    });

    it('clears the old pictures when a run starts, keeps the focus on Run, and tells a screen reader the turns alone', async () => {
      await tab.page.evaluate(() => {
        const list: string[] = [];
        Object.assign(globalThis, { told: list });
        for (const region of document.querySelectorAll('[role="status"], [role="alert"], [aria-live], output')) {
          new MutationObserver(() => {
            list.push(region.textContent ?? '');
          }).observe(region, { childList: true, characterData: true, subtree: true });
        }
      });
      const before = await tab.picture('best');
      await tab.page.fill('#iterations', '4');
      await tab.page.focus('#run');
      await tab.page.keyboard.press('Space');
      await tab.waitFor('running');
      expect(await focused()).toBe('run');
      expect(await tab.picture('best')).not.toBe(before);
      expect(await tab.page.textContent('#best-loss')).toBe('');
      await tab.waitForIterations(1);
      await tab.page.focus('#pause');
      await tab.page.keyboard.press('Space');
      expect(await tab.state()).toBe('paused');
      expect(await focused()).toBe('pause');
      expect(await findings(tab.page)).toEqual([]);
      await tab.page.keyboard.press('Space');
      await tab.waitFor('running');
      await tab.waitFor('ready');
      // Pause is gone, and with it what had the focus.
      expect(await focused()).toBe('run');
      expect((await told()).length).toBeLessThanOrEqual(6);
      expect((await told()).filter((words) => words.includes('Done: 4 iterations'))).toHaveLength(1);
    });

    it('fits a screen of 320 pixels, and its colours follow forced ones', async () => {
      expect(await overflow()).toBe(0);
      await tab.page.setViewportSize({ width: 320, height: 640 });
      expect(await overflow()).toBe(0);
      const stroke = (): Promise<string> => tab.page.$eval('.series', (line) => getComputedStyle(line).stroke);
      const usual = await stroke();
      await tab.page.emulateMedia({ forcedColors: 'active' });
      expect(await stroke()).not.toBe(usual);
      expect(await findings(tab.page)).toEqual([]);
      await tab.page.emulateMedia({ forcedColors: 'none' });
    });

    it('gives pictures that carry their settings, also enlarged, and a card; one that is dropped brings them back', async () => {
      await tab.page.waitForSelector('#downloads:visible'); // They wait for the evaluator's words.
      const names = await tab.page.$$eval('#downloads a', (links) =>
        links.map((a) => (a as HTMLAnchorElement).download),
      );
      expect(names.map((name) => name.replace(SHORT_RUN.prompt ?? '', '…'))).toEqual([
        '… seed 3.png',
        '… seed 3 480x480.png',
        '… seed 3 card.png',
        '… seed 3 report.html',
      ]);
      const size = (at: number): Promise<string> =>
        tab.page.$$eval(
          '#downloads a',
          async (links, i) => {
            const image = new Image();
            image.src = (links[i] as HTMLAnchorElement).href;
            await image.decode();
            return `${image.naturalWidth}×${image.naturalHeight}`;
          },
          at,
        );
      expect([await size(0), await size(1), await size(2)]).toEqual(['96×96', '480×480', '1200×630']);
      await tab.page.fill('#prompt', 'something else');
      await tab.page.fill('#seed', '9');
      const download = tab.page.waitForEvent('download');
      await tab.page.locator('#downloads a').nth(1).click();
      const path = await (await download).path();
      const picture = { name: 'picture.png', bytes: [...readFileSync(path)] };
      await tab.page.evaluate(({ name, bytes }) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
        document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      }, picture);
      await tab.page.waitForFunction(() =>
        (document.querySelector('#prompt') as HTMLInputElement).value.startsWith('a photo'),
      );
      expect(await tab.page.inputValue('#seed')).toBe('3');
      expect(await tab.page.inputValue('#iterations')).toBe('4');
      expect(tab.problems).toEqual([]);
    });
  });
}
