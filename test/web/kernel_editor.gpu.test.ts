/** The page on which a reader changes a kernel, in a real browser. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../../commands/page/launch_chromium.ts';
import { BROWSER_PATIENCE } from '../support/chromium.ts';
import { findings } from './axe.ts';
import { Studio, Tab, withoutWebGpu } from './studio.ts';

/** Every element of the result is divided by the sum of its row, so one store of the naive softmax is all of the kernel's output. */
const STORE = 'fn store_y(i: u32, v: f32) { y[i] = f32(v); }';
const QUERY = '?op=softmax&variant=naive&shapes=6x9';

if (!CHROMIUM) {
  console.warn(
    'SKIPPED the tests of the kernel editor: no Chromium in /usr/bin, and the variable CHROMIUM names none.',
  );
}

describe.skipIf(!CHROMIUM)('the kernel editor', { timeout: BROWSER_PATIENCE }, () => {
  let studio: Studio;
  let tab: Tab;

  /** Loads the page anew. */
  const open = async (query = QUERY): Promise<void> => {
    await tab.page.goto(new URL(`kernels.html${query}`, studio.url).href);
    await tab.page.waitForFunction(() => document.documentElement.dataset.state !== 'loading');
  };
  /** A press of the button makes the page run at once, so it is ready again only when it has run. */
  const run = async (): Promise<void> => {
    await tab.page.click('#run');
    await tab.waitFor('ready');
  };
  const change = async (from: string, to: string): Promise<void> => {
    const wgsl = await tab.page.inputValue('#wgsl');
    expect(wgsl).toContain(from);
    await tab.page.fill('#wgsl', wgsl.replace(from, to));
  };

  beforeAll(async () => {
    studio = await Studio.start();
    tab = new Tab(await studio.browser.newPage());
    await open();
  }, BROWSER_PATIENCE);
  afterAll(() => studio?.stop());

  it('is linked from the first page', async () => {
    expect(await (await fetch(studio.url)).text()).toMatch(/<footer[^>]*><a href="(\.\/)?kernels\.html">/);
  });

  it('runs the original beside itself: right, and as fast', async () => {
    expect(await tab.page.textContent('#adapter')).toMatch(/swiftshader/i);
    await run();
    expect(await tab.page.textContent('#verdict')).toMatch(/^Right, \d+\.\d\d × the speed of the original$/);
    const rows = await tab.page.locator('#rows tr').allInnerTexts();
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      expect(row).toMatch(/right\s+\d\S* of 1e-7 allowed\s+[\d.]+ ms/);
    }
    expect(await findings(tab.page)).toEqual([]);
  });

  it('says that a wrong kernel is wrong, and where its error is largest', async () => {
    await change(STORE, 'fn store_y(i: u32, v: f32) { y[i] = select(v, 7.0, i == 21u); }');
    await run();
    expect(await tab.page.textContent('#verdict')).toMatch(
      /^Wrong: the largest error of output 0 is at \[2, 3\], 7 in place of 0\.\d+$/,
    );
    expect(await findings(tab.page)).toEqual([]);
  });

  it('shows an error of the compiler with line and caret, and goes there', async () => {
    await tab.page.click('#original');
    await change(STORE, 'fn store_y(i: u32, v: f32) { z[i] = f32(v); }');
    const lines = (await tab.page.inputValue('#wgsl')).split('\n');
    const line = lines.findIndex((text) => text.includes('z[i]'));
    await run();
    expect(await tab.page.textContent('#errors pre')).toBe(
      `kernel.wgsl:${line + 1}:30: unresolved value 'z'\n${lines[line]}\n${' '.repeat(29)}^`,
    );
    expect(await findings(tab.page)).toEqual([]);
    await tab.page.click('#errors button');
    const selected = await tab.page.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.activeElement as HTMLTextAreaElement;
      return value.slice(selectionStart, selectionEnd);
    });
    expect(selected).toBe('z');
  });

  it('is used with the keyboard alone: Ctrl + Enter runs, Tab leaves the text', async () => {
    await tab.page.click('#original');
    await tab.page.focus('#wgsl');
    await tab.page.keyboard.press('Control+Enter');
    await tab.waitFor('ready');
    expect(await tab.page.textContent('#verdict')).toMatch(/^Right/);
    await tab.page.focus('#wgsl');
    await tab.page.keyboard.press('Tab');
    expect(await tab.page.evaluate(() => document.activeElement?.id)).toBe('original');
  });

  it('follows the lists: another op has its own variants, cases and WGSL', async () => {
    const before = await tab.page.inputValue('#wgsl');
    await tab.page.selectOption('#op', 'group_norm');
    expect(await tab.page.locator('#variant option').allTextContents()).toContain('naive');
    expect(await tab.page.inputValue('#shapes')).toBe('');
    expect(await tab.page.inputValue('#wgsl')).not.toBe(before);
    expect(await tab.page.textContent('#command')).toContain('reno kernels edit group_norm --variant');
  });

  it('refuses shapes that the op does not take, in one sentence', async () => {
    await open('?op=matmul&variant=naive&shapes=3x4,5x6');
    expect(await tab.state()).toBe('invalid');
    expect(await tab.page.textContent('#notice')).toMatch(
      /^Matmul does not take this: .*a has 4 columns, b 5 rows.*\.$/,
    );
    expect(await tab.page.isDisabled('#run')).toBe(true);
    await tab.page.fill('#shapes', '3x4,4x6');
    await tab.page.press('#shapes', 'Tab');
    expect(await tab.state()).toBe('ready');
  });

  it('says what to do where WebGPU is missing', async () => {
    const bare = new Tab(await studio.browser.newPage());
    await withoutWebGpu(bare.page);
    await bare.page.goto(new URL('kernels.html', studio.url).href);
    await bare.page.waitForFunction(() => document.documentElement.dataset.state === 'unusable');
    expect(await bare.page.textContent('#notice')).toContain('no WebGPU');
    await bare.close();
  });

  it('reports no error to the console', () => {
    expect(tab.problems).toEqual([]);
  });
});
