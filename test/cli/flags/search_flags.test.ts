/** The table of docs/search.md that says which flag does what, beside what the command does. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { settingsFrom } from '../../../src/cli/flags/settings_flags.ts';
import { USELESS_FLAGS } from '../../../src/cli/flags/useless_flags.ts';
import { METHOD_NAMES } from '../../../src/reno/search/method_names.ts';
import { SETTINGS, type SettingName } from '../../../src/reno/settings/settings.ts';

/** A value that each flag of the table can have. */
const VALUES: Readonly<Record<string, string>> = {
  'n-iters': '60',
  candidates: '7',
  chains: '3',
  'chain-steps': '2',
  project: 'latents',
  samples: '4',
  radius: '0.25',
  optim: 'adam',
  lr: '0.5',
  'grad-clip': '0.2',
  reg: 'spectrum',
  'reg-weight': '0.5',
  watch: 'hps',
  'select-by': 'clip',
};
const files = memoryFiles('model', {
  'reno.json': '{"rewards":{"hps":1,"clip":1}}',
  'hps/config.json': '{}',
  'clip/config.json': '{}',
});
const model = { name: 'model', folder: '/model', files };

const page = readFileSync(new URL('../../../docs/search.md', import.meta.url), 'utf8');
const rows = page
  .slice(page.indexOf('## Which flag does what'))
  .split('\n\n')[1]
  ?.split('\n')
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
const [head = [], , ...body] = rows ?? [];

describe('the table of flags', () => {
  it('has a column for each method, and a row for each flag here', () => {
    expect(head.slice(2)).toEqual(METHOD_NAMES);
    expect(body.map(([flag]) => flag?.slice(2)).sort()).toEqual(Object.keys(VALUES).sort());
    const ofMethods = Object.values(SETTINGS).flatMap((setting) => ('method' in setting ? [setting.flag] : []));
    expect(Object.keys(VALUES)).toEqual(expect.arrayContaining(ofMethods));
  });

  it.each(body)('says what %s does', async (word, setting, ...cells) => {
    const flag = word.slice(2);
    const name = setting as SettingName;
    expect(SETTINGS[name].flag).toBe(flag);
    for (const [i, method] of METHOD_NAMES.entries()) {
      const args = { method, [flag]: VALUES[flag] ?? '' };
      const useless = USELESS_FLAGS.filter(({ flags, when }) => flags.includes(flag) && when(args));
      const made = await settingsFrom(args, model).catch((error: Error) => error.message);
      if (cells[i] === 'refused') {
        expect(made, `${flag} ${method}`).toContain(`--${flag} belongs to --method`);
      } else {
        expect(made, `${flag} ${method}`).toHaveProperty(name);
        expect(useless.length > 0, `${flag} ${method}`).toBe(cells[i] === 'no effect');
      }
    }
  });

  it('says which optimisers a method has', async () => {
    const cells = body.find(([flag]) => flag === '--optim')?.slice(2) ?? [];
    for (const [i, method] of METHOD_NAMES.entries()) {
      if (cells[i] !== 'no effect') {
        const fits = await settingsFrom({ method, optim: 'lbfgs' }, model).then(
          () => true,
          () => false,
        );
        expect(fits, method).toBe(cells[i]?.includes('lbfgs'));
      }
    }
  });
});
