/** Takes pictures of the page: its first minute, the laboratory and two lanes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { decodePng } from '../../src/platform/node/png.ts';
import { launchChromium } from './launch_chromium.ts';
import { palettePng } from './palette_png.ts';
import { servePage } from './served.ts';
import { type AskedRun, StudioPage } from './studio_page.ts';

/** The screens: the name of a picture ends in theirs. */
const SCREENS = [
  { after: '', width: 1100, colours: 'light' },
  { after: '_dark', width: 1100, colours: 'dark' },
  { after: '_phone', width: 390, colours: 'light' },
] as const;
const HEIGHT = 900;
/** Space around a part of the page. */
const MARGIN = 16;

interface Screenshot {
  readonly file: string;
  readonly bytes: number;
}

/** @param folder it is made where it is not there @param run the run that the lanes show */
export async function takeScreenshots(folder: string, run: AskedRun): Promise<Screenshot[]> {
  await mkdir(folder, { recursive: true });
  const served = await servePage();
  const browser = await launchChromium();
  try {
    return [...(await recordedRun(browser, served.url, folder)), ...(await lanes(browser, served.url, folder, run))];
  } finally {
    await browser.close();
    await served.close();
  }
}

/** The recorded run at its end, and the laboratory on it: they need no WebGPU. */
async function recordedRun(browser: Browser, url: string, folder: string): Promise<Screenshot[]> {
  const page = await browser.newPage({ reducedMotion: 'reduce' });
  // The models never come, so the page stays as it is.
  await page.route(/\.bin$/, () => {});
  await page.goto(url);
  await page.waitForSelector('#replay:visible');
  await page.waitForSelector('#examples:visible');
  await page.waitForSelector('#lab:visible');
  return [
    ...(await onScreens(page, folder, 'page_first_minute', ['header', '#evaluator'])),
    ...(await onScreens(page, folder, 'page_laboratory', ['#lab', '#legend'])),
  ];
}

/** A run of both lanes. */
async function lanes(browser: Browser, url: string, folder: string, run: AskedRun): Promise<Screenshot[]> {
  const page = await browser.newPage({ reducedMotion: 'reduce' });
  const studio = new StudioPage(page);
  await studio.open(url);
  await studio.run(run, '#race');
  await page.waitForFunction(() => /By verdict/.test(document.getElementById('race-words')?.textContent ?? ''));
  return onScreens(page, folder, 'page_lanes', ['#lanes']);
}

/** @param parts the first and the last part of the page that a picture shows */
async function onScreens(page: Page, folder: string, name: string, parts: readonly string[]): Promise<Screenshot[]> {
  const taken: Screenshot[] = [];
  for (const { after, width, colours } of SCREENS) {
    await page.setViewportSize({ width, height: HEIGHT });
    await page.emulateMedia({ colorScheme: colours });
    await page.evaluate(() => scrollTo(0, 0));
    const [first, last] = await page.evaluate(
      (ends) =>
        ends.map((end) => {
          const { top, bottom } = document.querySelector(end)?.getBoundingClientRect() ?? { top: 0, bottom: 0 };
          return { top, bottom };
        }),
      [parts.at(0) ?? '', parts.at(-1) ?? ''],
    );
    const top = Math.max(0, (first?.top ?? 0) - MARGIN);
    const clip = { x: 0, y: top, width, height: (last?.bottom ?? HEIGHT) + MARGIN - top };
    const file = `${name}${after}.png`;
    const bytes = palettePng(decodePng(await page.screenshot({ clip, fullPage: true })));
    await writeFile(join(folder, file), bytes);
    taken.push({ file, bytes: bytes.length });
  }
  return taken;
}
