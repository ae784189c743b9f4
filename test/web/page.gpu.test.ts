/** The page in a real browser: Chromium without a display, WebGPU on SwiftShader (which has no shader-f16: packed weights). */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { CHROMIUM } from '../../commands/page/launch_chromium.ts';
import { BROWSER_PATIENCE } from '../support/chromium.ts';
import { Studio } from './studio.ts';
import { firstMinuteSuite } from './suites/first_minute_suite.ts';
import { keepSuite } from './suites/keep_suite.ts';
import { labSuite } from './suites/lab_suite.ts';
import { liveSuite } from './suites/live_suite.ts';
import { loadSuite } from './suites/load_suite.ts';
import { modelsSuite } from './suites/models_suite.ts';
import { panelSuite } from './suites/panel_suite.ts';
import { runSuite } from './suites/run_suite.ts';
import { useSuite } from './suites/use_suite.ts';

const WEIGHTS = join(resolve(import.meta.dirname, '../..'), 'weights/pocket/generator');
const missing = !CHROMIUM
  ? 'no Chromium in /usr/bin, and the variable CHROMIUM names none'
  : !existsSync(WEIGHTS)
    ? 'no weights/pocket/generator'
    : null;
if (missing) {
  console.warn(`SKIPPED the browser tests: ${missing}.`);
}

describe.skipIf(missing !== null)('the page', { timeout: BROWSER_PATIENCE }, () => {
  let studio: Studio;
  beforeAll(async () => {
    studio = await Studio.start();
  }, BROWSER_PATIENCE);
  afterAll(() => studio?.stop());

  firstMinuteSuite(() => studio);
  labSuite(() => studio);
  panelSuite(() => studio);
  liveSuite(() => studio);
  loadSuite(() => studio);
  runSuite(() => studio);
  useSuite(() => studio);
  keepSuite(() => studio);
  modelsSuite(() => studio);
});
