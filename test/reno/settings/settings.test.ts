/** The table of settings: each is read from reno.json and from its flag, and recorded where it says so. */
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import type { Args } from '../../../src/cli/flags/args.ts';
import { plannedFlags, settingsFlags, settingsFrom } from '../../../src/cli/flags/settings_flags.ts';
import { METHOD_NAMES, METHODS } from '../../../src/reno/search/method_names.ts';
import {
  type Mode,
  readSettings,
  recordedSettings,
  SETTINGS,
  type SettingName,
} from '../../../src/reno/settings/settings.ts';

/** For each setting a value that is not its default, as reno.json and as a flag spell it. */
const OTHERS: Readonly<Record<SettingName, readonly [json: unknown, flag: string | null]>> = {
  nIters: [7, '7'],
  lr: [0.5, '5e-1'],
  optim: ['adam', 'adam'],
  nesterov: [false, null],
  momentum: [0.5, null],
  adamEps: [1e-8, null],
  gradClip: [1, '1'],
  regWeight: [0, '0'],
  noise: ['torch-cpu', 'torch-cpu'],
  size: [[512, 768], '768x512'],
  dtype: ['f16', 'f16'],
  f32Modules: [['a.b', 'c'], 'c, a.b'],
  budget: [8 * 2 ** 30, '8GiB'],
  weightBits: [8, '8'],
  batch: [4, '4'],
  candidates: [7, '7'],
  chains: [3, '3'],
  chainSteps: [4, '4'],
  reg: ['spectrum', 'spectrum'],
  project: ['both', 'both'],
  watch: [['pick_score'], 'pickscore'],
  selectBy: ['hps', 'hps'],
  samples: [4, '4'],
  radius: [0.25, '0.25'],
  timestep: [400, null],
};
const NAMES = Object.keys(SETTINGS) as SettingName[];

const folder = (reno: unknown) =>
  memoryFiles('model', { 'reno.json': JSON.stringify(reno), 'hps/config.json': '{}', 'pick_score/config.json': '{}' });
/** The settings that a flag changes beside its own: another regulariser has a weight of its own. */
const brought = (name: SettingName) => (name === 'reg' ? { regWeight: 1 } : {});
const flagOf = (name: SettingName): string | undefined => SETTINGS[name].flag;

describe('a setting', () => {
  it.each(NAMES)('%s is read from reno.json, by itself', async (name) => {
    const before = await readSettings(folder({}));
    const after = await readSettings(folder({ [name]: OTHERS[name][0] }));
    expect(before[name]).not.toEqual(OTHERS[name][0]);
    expect(after).toEqual({ ...before, [name]: OTHERS[name][0] });
  });

  it.each(NAMES)('%s is changed by its flag alone, if it has one', async (name) => {
    const [value, text] = OTHERS[name];
    expect(flagOf(name) === undefined).toBe(text === null);
    const model = { name: 'model', folder: '/model', files: folder({}) };
    const { method }: { readonly method?: Mode } = SETTINGS[name];
    const chosen = method ? { method } : {};
    const args = { ...chosen, ...(text === null ? {} : { [flagOf(name) ?? '']: text }) };
    const before = await settingsFrom(chosen, model);
    expect(await settingsFrom(args, model)).toEqual(
      text === null ? before : { ...before, ...brought(name), [name]: value },
    );
  });

  it('set to 0 by a flag without a value wins over the flag with one', async () => {
    const model = { name: 'model', folder: '/model', files: folder({}) };
    expect((await settingsFrom({ 'disable-reg': true, 'reg-weight': '2' }, model)).regWeight).toBe(0);
  });

  it.each([
    [{ candidates: '7' }, '--candidates belongs to --method multi-start, and the method is reno'],
    [{ 'no-optim': true, chains: '7' }, '--chains belongs to --method multi-start, and nothing is searched here'],
    [
      { method: 'best-of-n', 'chain-steps': '2' },
      '--chain-steps belongs to --method multi-start, and the method is best-of-n',
    ],
    [{ method: 'reno', imageselect: true }, '--imageselect and --method reno exclude each other'],
    [{ method: 'multi-start', 'no-optim': true }, '--no-optim and --method multi-start exclude each other'],
    [{ watch: 'hps,pickscore' }, '--watch leaves no reward to optimise: name fewer, or give others a weight'],
    [{ watch: 'aesthetic' }, 'model model has no reward aesthetic: /model/aesthetic is not there'],
    [{ watch: 'taste' }, '--watch must name rewards (hps, '],
    [{ 'select-by': 'clip' }, '--select-by clip: this reward is neither optimised nor watched; give --watch clip too'],
    [{ method: 'multi-start', optim: 'lbfgs' }, '--method multi-start has no --optim lbfgs'],
    [
      { reg: 'spectrum', optim: 'lbfgs' },
      '--reg spectrum has another order of the noise in each iteration, and --optim lbfgs compares the losses of several: take sgd or adam, or --reg norm',
    ],
    [{ reg: 'none' }, '--reg must be one of norm, spectrum, not "none"'],
    [
      { method: 'zeroth-order', samples: '3' },
      '--samples 3 is odd: each draw is tried with both signs, so give an even number',
    ],
    [
      { method: 'multi-start', candidates: '3', chains: '4' },
      '--chains 4 ascends more noises than are judged: give at least --candidates 4, not 3',
    ],
  ])('is refused where it does not fit the method: %j', async (args, sentence) => {
    const model = { name: 'model', folder: '/model', files: folder({}) };
    await expect(settingsFrom(args, model)).rejects.toThrow(sentence);
  });

  it('gives the regulariser that it names the weight that is its own, where no flag gives another', async () => {
    const weightOf = async (args: Args, reno: unknown = {}) =>
      (await settingsFrom(args, { name: 'model', folder: '/model', files: folder(reno) })).regWeight;
    expect(await weightOf({})).toBe(0.01);
    expect(await weightOf({ reg: 'spectrum' })).toBe(1);
    expect(await weightOf({ reg: 'norm' }, { regWeight: 0.02 })).toBe(0.02);
    expect(await weightOf({ reg: 'spectrum' }, { regWeight: 0.02 })).toBe(1);
    expect(await weightOf({ reg: 'norm' }, { reg: 'spectrum', regWeight: 2 })).toBe(0.01);
    expect(await weightOf({ reg: 'spectrum' }, { reg: 'spectrum', regWeight: 2 })).toBe(2);
    expect(await weightOf({ reg: 'spectrum', 'reg-weight': '0.5' })).toBe(0.5);
    expect(await weightOf({ reg: 'spectrum', 'disable-reg': true })).toBe(0);
    expect(await weightOf({ method: 'preconditioned' })).toBe(0);
    expect(await weightOf({ method: 'preconditioned', reg: 'spectrum' })).toBe(1);
  });

  it('has a mode for each name of a method, and two spellings of best-of-n', async () => {
    const model = { name: 'model', folder: '/model', files: folder({}) };
    const modes = METHOD_NAMES.map(async (method) => (await settingsFrom({ method }, model)).mode);
    expect(await Promise.all(modes)).toEqual(Object.values(METHODS));
    expect(await settingsFrom({ method: 'best-of-n', imageselect: true }, model)).toEqual(
      await settingsFrom({ imageselect: true }, model),
    );
  });

  it('stands at one place in the JSON, whoever set it', async () => {
    const all = Object.fromEntries(NAMES.map((name) => [name, OTHERS[name][0]]));
    const own = await readSettings(folder(all));
    expect(Object.keys(own)).toEqual(['mode', ...NAMES, 'rewards']);
    const search = { method: 'multi-start', candidates: '4', chains: '2', 'chain-steps': '3' };
    const flags = { ...search, 'weight-bits': '8', 'f32-modules': 'a.b', budget: '1GiB', 'n-iters': '3' };
    const model = { name: 'model', folder: '/model', files: folder({ timestep: 400 }) };
    // These have no value here.
    const ofMethod = NAMES.filter((name) => !['reg', 'project', 'watch', 'selectBy', 'batch'].includes(name));
    expect(Object.keys(await settingsFrom(flags, model))).toEqual(['mode', ...ofMethod, 'rewards']);
  });

  it('is recorded in history.json where the table says so, and absent where it has no value', async () => {
    const always = ['nIters', 'lr', 'optim', 'gradClip', 'regWeight', 'dtype'];
    const settings = await readSettings(folder({}));
    expect(Object.keys(recordedSettings(settings))).toEqual(always);
    expect(Object.keys(recordedSettings({ ...settings, weightBits: 8 }))).toEqual([...always, 'weightBits']);
  });

  it('has a flag of `reno plan` where memory or work depend on it', () => {
    const left = Object.keys(settingsFlags).filter((flag) => !(flag in plannedFlags));
    expect(left).toEqual([
      'n-iters',
      'lr',
      'grad-clip',
      'noise',
      'candidates',
      'chains',
      'chain-steps',
      'samples',
      'radius',
    ]);
  });
});
