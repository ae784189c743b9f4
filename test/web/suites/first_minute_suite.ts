/** The first minute: the recorded run, verdicts on every picture, and the words that the models know. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { type Studio, type Tab, withoutWebGpu } from '../studio.ts';

export function firstMinuteSuite(studio: () => Studio): void {
  const withoutGpu = async (): Promise<Tab> => {
    const tab = await studio().open(
      {},
      {
        before: async (page) => {
          await page.emulateMedia({ reducedMotion: 'reduce' });
          await withoutWebGpu(page);
        },
      },
    );
    await tab.waitFor('unusable');
    await tab.page.waitForSelector('#replay:visible');
    return tab;
  };

  describe('the first minute without WebGPU', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await withoutGpu();
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.close());

    it('shows a recorded run that starts wrong and ends right', async () => {
      expect(await tab.page.textContent('#run-title')).toMatch(
        /^Recorded before, on .*: “a photo of .*Nothing is computed here/,
      );
      expect(await tab.page.textContent('#init-verdict')).toMatch(/^asked: .*; found: .*✗$/);
      expect(await tab.page.textContent('#best-verdict')).toMatch(/^asked: .*; found: .*✓$/);
      expect(await tab.page.textContent('#verdict-announcement')).toMatch(/^The best picture: .*, right\.$/);
      expect(await tab.page.locator('#best-centres circle.centre').count()).toBeGreaterThan(0);
      expect(await tab.loss('best')).toBeLessThan(await tab.loss('init'));
      expect(await tab.picture('best')).not.toBe(await tab.picture('init'));
      expect(await tab.page.locator('#charts .chart').count()).toBeGreaterThanOrEqual(4);
      expect(tab.problems).toEqual([]);
    });

    it('says that the evaluator is independent, and hides its dots on request', async () => {
      expect(await tab.page.textContent('#evaluator')).toContain('shares nothing with the generator or the rewards');
      await tab.page.uncheck('#centres');
      expect(await tab.page.isVisible('#best-centres')).toBe(false);
      await tab.page.check('#centres');
      expect(await tab.page.isVisible('#best-centres')).toBe(true);
    });

    it('plays picture by picture where motion is welcome', async () => {
      await tab.page.emulateMedia({ reducedMotion: 'no-preference' });
      await tab.page.click('#replay');
      expect(await tab.iteration('now')).toBe(0);
      await tab.page.waitForFunction(() =>
        /iteration [2-9] /.test(document.getElementById('now-loss')?.textContent ?? ''),
      );
      expect(await tab.page.isVisible('#replay')).toBe(false);
    });
  });

  describe('writing a prompt', () => {
    let tab: Tab;
    beforeAll(async () => {
      // The models never come: all of this works before they do.
      tab = await studio().open(
        {},
        {
          before: async (page) => {
            await page.route(/models-.*\.json/, () => {});
          },
        },
      );
      await tab.page.waitForSelector('#examples:visible');
    }, BROWSER_PATIENCE);
    afterAll(() => tab?.close());
    const marks = (): Promise<string[]> => tab.page.locator('#prompt-marks u').allTextContents();

    it('begins with the recorded prompt, whose words are all known', async () => {
      expect(await tab.page.textContent('#run-title')).toContain(`“${await tab.page.inputValue('#prompt')}”`);
      expect(await marks()).toEqual([]);
      expect(await tab.page.isVisible('#prompt-words')).toBe(false);
    });

    it('underlines unknown words as they are typed, at their places, and says what is known', async () => {
      await tab.page.fill('#prompt', 'an astronaut riding a horse');
      expect(await marks()).toEqual(['astronaut', 'riding', 'horse']);
      const sentence = await tab.page.textContent('#prompt-words');
      expect(sentence).toContain('never learnt “astronaut”, “riding” or “horse”');
      expect(sentence).toContain('16 objects');
      await expect.poll(() => tab.page.textContent('#prompt-announcement')).toContain('astronaut');
      const described = await tab.page.getAttribute('#prompt', 'aria-describedby');
      expect(described).toBe('prompt-words');
      // The text behind the field lies exactly under the field's own.
      const [field, behind] = await Promise.all(
        ['#prompt', '#prompt-marks'].map((id) =>
          tab.page.$eval(id, (node) => {
            const { fontFamily, fontSize, paddingLeft, letterSpacing } = getComputedStyle(node);
            return { fontFamily, fontSize, paddingLeft, letterSpacing, left: node.getBoundingClientRect().left };
          }),
        ),
      );
      expect(behind).toEqual(field);
    });

    it('builds a prompt from lists, and the lists follow the text', async () => {
      await tab.page.selectOption('#builder-count', { label: 'three' });
      expect(await tab.page.inputValue('#prompt')).toMatch(/^a photo of three \w+/);
      await tab.page.selectOption('#builder-object', 'butterfly');
      await tab.page.selectOption('#builder-joint', { label: 'alone' });
      await tab.page.selectOption('#builder-colour', { label: 'any colour' });
      expect(await tab.page.inputValue('#prompt')).toBe('a photo of three butterflies');
      await tab.page.fill('#prompt', 'a photo of a red cat left of a blue tree');
      const chosen = await Promise.all(
        ['count', 'colour', 'object', 'joint', 'colour-2', 'object-2'].map((id) =>
          tab.page.inputValue(`#builder-${id}`),
        ),
      );
      expect(chosen).toEqual(['1', 'red', 'cat', 'left of', 'blue', 'tree']);
      expect(await marks()).toEqual([]);
    });

    it('takes an example with its seed', async () => {
      const button = tab.page.locator('#examples button').first();
      const [, prompt, seed] = /^(.*), seed (\d+)$/.exec((await button.getAttribute('title')) ?? '') ?? [];
      await button.click();
      expect(await tab.page.inputValue('#prompt')).toBe(prompt);
      expect(await tab.page.inputValue('#seed')).toBe(seed);
      expect(tab.problems).toEqual([]);
    });
  });
}
