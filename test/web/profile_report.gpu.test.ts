/** The report of a profile in a real browser: as a file, and on the page that profiles. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../../commands/page/launch_chromium.ts';
import { profilePage } from '../../src/reno/profile_page/profile_page.ts';
import { BROWSER_PATIENCE } from '../support/chromium.ts';
import { madeProfile } from '../support/made_profile.ts';
import { findings } from './axe.ts';
import { Studio, Tab } from './studio.ts';

if (!CHROMIUM) {
  console.warn(
    'SKIPPED the tests of the profile report: no Chromium in /usr/bin, and the variable CHROMIUM names none.',
  );
}

describe.skipIf(!CHROMIUM)('the report of a profile', { timeout: BROWSER_PATIENCE }, () => {
  let studio: Studio;
  let tab: Tab;

  const described = (figure: string): Promise<string | null> => tab.page.textContent(`figure.${figure} output`);

  beforeAll(async () => {
    studio = await Studio.start();
    tab = new Tab(await studio.browser.newPage());
  }, BROWSER_PATIENCE);
  afterAll(() => studio?.stop());

  it('describes the block under the pointer, and goes on by the arrow keys', async () => {
    await tab.page.setContent(profilePage(madeProfile()));
    await tab.page.hover('.timeline i[data-d="4"]');
    expect(await described('timeline')).toMatch(/^matmul\.tile · reward · 60\.3 µs · .* of the roofline · x f32/);
    await tab.page.focus('.timeline .view');
    await tab.page.keyboard.press('Home');
    expect(await described('timeline')).toMatch(/^conv\.tile · net\.block\.0/);
    await tab.page.keyboard.press('ArrowRight');
    expect(await described('timeline')).toMatch(/^norm\.rows\.sums/);
    await tab.page.hover('circle.kernel >> nth=-1');
    expect(await described('plot')).toMatch(/dispatch(es)? · .* FLOP\/byte/);
  });

  it('zooms by buttons, keys and a click on the flame view, and shows the table that is chosen', async () => {
    const width = (figure: string): Promise<number> =>
      tab.page.evaluate((name) => document.querySelector(`figure.${name} .content`)?.clientWidth ?? 0, figure);
    const before = await width('timeline');
    await tab.page.click('.timeline [data-zoom=in]');
    expect(await width('timeline')).toBeCloseTo(2 * before, -1);
    await tab.page.click('.timeline [data-zoom=all]');
    expect(await width('timeline')).toBe(before);
    await tab.page.click('.flame i:text("reward") >> nth=0');
    expect(await width('flame')).toBeGreaterThan(2 * before);
    await tab.page.check('input[value=op]');
    expect(await tab.page.isVisible('[data-by=op]')).toBe(true);
    expect(await tab.page.isVisible('[data-by=module]')).toBe(false);
  });

  it('fits a narrow screen, and is accessible in light and dark', async () => {
    await tab.page.setViewportSize({ width: 390, height: 800 });
    expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    for (const colorScheme of ['light', 'dark'] as const) {
      await tab.page.emulateMedia({ colorScheme });
      expect(await findings(tab.page)).toEqual([]);
    }
    expect(tab.problems).toEqual([]);
  });

  it('is made by the page, on the GPU of the browser', async () => {
    await tab.page.setViewportSize({ width: 1000, height: 800 });
    await tab.page.goto(new URL('profile.html?runs=1', studio.url).href);
    await tab.waitFor('ready');
    await tab.page.click('#profile');
    await tab.waitFor('ready');
    expect(await tab.page.textContent('#notice')).toBe('');
    expect(await tab.page.locator('.timeline i[data-d]').count()).toBeGreaterThan(500);
    await tab.page.hover('.flame i.all');
    expect(await described('flame')).toMatch(/^step · .* · 100\.0 % · \d+ dispatches/);
    expect(await tab.page.locator('#files a').allTextContents()).toEqual([
      'profile.html',
      'trace.json',
      'profile.csv',
      'profile.json',
    ]);
    // The page's policy forbids inline styles and scripts, and the browser would report them here.
    expect(tab.problems).toEqual([]);
  });
});
