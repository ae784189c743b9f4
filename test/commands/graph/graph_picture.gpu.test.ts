/** graph.html in a real browser. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectPasses } from '../../../commands/graph/passes.ts';
import { graphPage } from '../../../commands/graph/picture/graph_page.ts';
import { CHROMIUM, launchChromium } from '../../../commands/page/launch_chromium.ts';
import { GPU_CAPS } from '../../../src/cli/plan/planned_run.ts';
import { add, linear, mean, mul, silu } from '../../../src/kernels/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { findings } from '../../web/axe.ts';

if (!CHROMIUM) {
  console.warn('SKIPPED the tests of graph.html: no Chromium in /usr/bin, and the variable CHROMIUM names none.');
}

describe.skipIf(!CHROMIUM)('graph.html', { timeout: BROWSER_PATIENCE }, () => {
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  let product = '';

  beforeAll(async () => {
    const graph = new Graph();
    const x = graph.input('x', [8, 16], 'step');
    const w = graph.input('w', [16, 16], 'load');
    const h = graph.scope('block.0', () => linear(x, w));
    const y = graph.scope('block.1', () => add(silu(h), x));
    const loss = graph.scope('loss', () => mean(mul(y, y)));
    const [dx] = gradients(loss, [x]);
    product = `${h.node.id}.0`;
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    await page.setContent(graphPage(collectPasses({ outputs: { y, dx } }, GPU_CAPS), 'a <made> model', product));
  }, BROWSER_PATIENCE);
  afterAll(() => browser?.close());

  const boxes = (kind: string): Promise<string[]> =>
    page.locator(`#picture g.${kind} > text:first-of-type`).allTextContents();

  it('opens at the followed tensor, and tells its story in every pass', async () => {
    expect(await page.textContent('h1')).toBe('The graph of a <made> model');
    expect(await page.locator('#passes button').allTextContents()).toEqual([
      'trace',
      'norm_gradients',
      'pairs',
      'elementwise',
      'stores',
      'schedule',
    ]);
    expect(await page.locator('.marked text').first().textContent()).toBe('matmul');
    expect(await page.textContent('#side')).toMatch(/read forward by #\d+ silu.*read backward by #\d+ silu_backward/);
    expect(await page.textContent('#side')).toMatch(/lives from \d+ to \d+ \(saved\), 0\.5 KiB/);
    expect(await page.textContent('#side')).toContain('reads w f32[16,16]');
  });

  it('shows another pass: the nodes fused in it', async () => {
    await page.locator('#passes button', { hasText: 'stores' }).click();
    expect(await page.locator('g.fused.forward text').first().textContent()).toBe('matmul+silu+add');
    expect(await page.locator('.marked').count()).toBe(1);
  });

  it('draws the memory of the schedule', async () => {
    expect(await page.isVisible('#liveness')).toBe(false);
    await page.locator('#passes button', { hasText: 'schedule' }).click();
    expect(await page.isVisible('#liveness polygon.saved')).toBe(true);
    expect(await page.locator('#liveness rect.life').count()).toBe(1);
  });

  it('folds and opens modules, with the keyboard too', async () => {
    await page.click('#fold');
    expect((await boxes('module')).some((text) => text.startsWith('▸ block'))).toBe(true);
    const before = (await boxes('node')).length;
    await page.locator('g.module.forward:not(.open)', { hasText: 'block' }).focus();
    await page.keyboard.press('Enter');
    expect(await boxes('module')).toContain('▾ block (1)');
    await page.locator('[aria-label="open forward/block/0"], [aria-label="open forward/block/1"]').first().click();
    expect((await boxes('node')).length).toBeGreaterThan(before);
  });

  it('finds a node by module or op, and goes there', async () => {
    await page.locator('#passes button', { hasText: 'trace' }).click();
    await page.fill('#text', 'SILU_backward');
    await page.press('#text', 'Enter');
    await page.locator('#side button', { hasText: 'silu_backward' }).click();
    expect(await page.textContent('#side h2')).toMatch(/^#\d+ silu_backward$/);
    expect(await page.locator('.marked text').first().textContent()).toBe('silu_backward');
  });

  it('has no finding of axe, and no error', async () => {
    expect(await findings(page)).toEqual([]);
    expect(problems).toEqual([]);
  });
});
