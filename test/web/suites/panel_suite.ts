/** The laboratory's panels beside an engine that is a stand-in: what they send, and what they show. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import type { Studio, Tab } from '../studio.ts';

/** A worker that answers as the engine does, at once, and tells the page what it was told. */
const ENGINE = `
const heard = new BroadcastChannel('heard');
const levers = { rewards: { HPS: 5, CLIP: 0.2 }, lr: 2, gradClip: 0.1, regWeight: 0.01, optim: 'sgd' };
const rewards = [{ name: 'HPS', weight: 5, offset: 1 }, { name: 'CLIP', weight: 0.2, offset: 100 }];
const charted = { rewards, gradClip: 0.1, noise: { shape: [1, 2, 4, 4] } };
const adapter = { vendor: 'a', architecture: 'b', description: 'a stand-in', f16: false, subgroups: false };
const values = (f) => Float32Array.from({ length: 32 }, (_, i) => f(i));
addEventListener('message', ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    heard.postMessage(data);
    if (data.kind === 'open') {
      const facts = { model: 'pocket', adapter, software: true, size: { height: 64, width: 64 }, charted, iterations: 3, loadSeconds: 1, levers };
      port.postMessage({ kind: 'opened', facts });
    }
    if (data.kind === 'run') {
      for (let iteration = 0; iteration < 3; iteration++) {
        const pixels = new Uint8ClampedArray(64 * 64 * 4).fill(255 - 40 * iteration);
        const record = { iteration, losses: { HPS: 1, CLIP: 90 }, total: 23 - iteration, regulariser: 0, norm: 5, gradNorm: 1, seconds: iteration };
        const noise = { latents: values((i) => i / 10 - 1.6), gradient: values((i) => Math.sin(i)) };
        port.postMessage({ kind: 'frame', frame: { iteration, pixels, record, noise }, isBest: true });
      }
    }
    if (data.kind === 'look') {
      port.postMessage({ kind: 'unseen', id: data.id, sentence: 'a stand-in sees nothing' });
    }
  };
}, { once: true });`;

type Heard = Readonly<Record<string, unknown>> & { readonly kind: string };

export function panelSuite(studio: () => Studio): void {
  describe('the panels of the laboratory', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await studio().open(
        { prompt: 'a photo of two apples', seed: '44', iterations: '3' },
        {
          before: async (page) => {
            await page.route(/worker-\w+\.js$/, (route) =>
              route.fulfill({ contentType: 'text/javascript', body: ENGINE }),
            );
            await page.addInitScript(() => {
              Object.assign(globalThis, { MediaRecorder: undefined });
              const messages: unknown[] = [];
              Object.assign(globalThis, { heard: messages });
              new BroadcastChannel('heard').onmessage = ({ data }) => messages.push(data);
            });
          },
        },
      );
      await tab.waitFor('ready');
      await tab.page.click('#run');
      await tab.page.waitForSelector('#levers:visible');
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.close());

    const last = async (kind: string): Promise<Heard | undefined> => {
      const all = await tab.page.evaluate(() => (globalThis as unknown as { heard: Heard[] }).heard);
      return all.filter((message) => message.kind === kind).at(-1);
    };
    const lever = (label: string): string => `#levers input[aria-label="${label}"]`;

    it('moves a lever of the run that is on, and shows where each stands', async () => {
      expect(await tab.page.inputValue(lever('Learning rate'))).toBe('2');
      await tab.page.uncheck(lever('HPS counts'));
      await expect.poll(() => last('levers')).toMatchObject({ levers: { rewards: { HPS: 0, CLIP: 0.2 }, lr: 2 } });
      expect(await tab.page.inputValue(lever('HPS, weight'))).toBe('0');
      await tab.page.fill(lever('Learning rate'), '0.5');
      await tab.page.press(lever('Learning rate'), 'Tab');
      await tab.page.selectOption('#levers select', 'adam');
      await expect
        .poll(() => last('levers'))
        .toMatchObject({ levers: { rewards: { HPS: 0 }, lr: 0.5, optim: 'adam' } });
    });

    it('takes no number that a lever cannot have, and goes back to the usual ones', async () => {
      await tab.page.fill(lever('Gradient clip'), '-1');
      await tab.page.press(lever('Gradient clip'), 'Tab');
      expect(await tab.page.inputValue(lever('Gradient clip'))).toBe('0.1');
      await tab.page.click('#levers-reset');
      await expect.poll(() => last('levers')).toEqual({ kind: 'levers', levers: null });
      expect(await tab.page.isChecked(lever('HPS counts'))).toBe(true);
      expect(await tab.page.inputValue(lever('Learning rate'))).toBe('2');
    });

    it('offers no film where the browser records none', async () => {
      expect(await tab.page.isVisible('#save-gif')).toBe(true);
      expect(await tab.page.isVisible('#save-webm')).toBe(false);
    });

    it('explains each lever in place', async () => {
      await tab.page.click('#levers summary:has-text("Gradient clip")');
      expect(await tab.page.textContent('#levers details[open] p')).toContain('longer than the clip');
    });

    it('shows the noise and its gradient, and pushes the place that is chosen', async () => {
      await tab.page.click('#noise summary');
      await expect.poll(() => last('watch noise')).toEqual({ kind: 'watch noise', on: true });
      expect(await tab.page.textContent('#noise-value')).toBe('0, 0: -1.60');
      await tab.page.selectOption('#noise-channel', '1');
      await tab.page.fill('#noise-x', '2');
      await tab.page.fill('#noise-y', '1');
      expect(await tab.page.textContent('#noise-value')).toBe('2, 1: 0.60');
      expect(await tab.picture('noise-map')).not.toBe(await tab.picture('gradient-map'));
      await tab.page.click('#push-down');
      await expect.poll(() => last('push')).toEqual({ kind: 'push', push: { index: 22, by: -1 } });
      expect(tab.problems).toEqual([]);
    });
  });
}
