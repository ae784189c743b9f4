/** `reno plan`: what it prints, what its JSON has, and what it refuses. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanReport } from '../../../src/cli/plan/plan_report.ts';
import { inProcess } from '../in_process.ts';

const rowsOf = (stdout: string): PlanReport[] => JSON.parse(stdout.split('\n').at(-1) ?? '').rows;

describe('reno plan', { timeout: 60_000 }, () => {
  it('says what the pocket model needs', async () => {
    const { code, stdout, stderr } = await inProcess(['plan', '--json', '--size', '128x64', '--rewards', 'hps,clip']);
    expect([code, stderr]).toEqual([0, ['']]);
    for (const part of [
      /^pocket, 128×64, f32, reno, rewards HPS 2.5, CLIP 0.1; planned for a GPU with f16/,
      /^ {2}unet +2.85 M +5.7 MB$/m,
      /^ {2}dispatches( +\d+){5}$/m,
      /^ {2}total( +[\d.]+ MB){3}$/m,
      /^ {2}step \(each iteration\): generator.vae [\d.]+ [MG]FLOP, generator.unet/m,
      /^ {2}A100 80GB +80 GB +fits( +[\d.]+ µs){3}$/m,
      /^ {2}M1 +12 GB +fits +[\d.]+ ms +[\d.]+ ms +-$/m,
    ]) {
      expect(stdout).toMatch(part);
    }
    const [plan] = rowsOf(stdout);
    expect(plan).toMatchObject({ model: 'pocket', size: [64, 128], dtype: 'f32', rewards: { HPS: 2.5, CLIP: 0.1 } });
    expect(plan?.rooflines).toHaveLength(15);
    expect(plan?.stages.step.backward.dispatches).toBeGreaterThan(100);
  });

  it('plans a generator of a folder from its own headers, with the published rewards and without a tokenizer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plan-'));
    const fixture = resolve(import.meta.dirname, '../../../parity/pipeline');
    cpSync(fixture, folder, { recursive: true, filter: (path) => !path.endsWith('/tokenizer') });
    const run = ['plan', '--model', folder, '--rewards', 'hps', '--dtype', 'f16', '--gpu', 'm2', '--json'];
    const { code, stdout } = await inProcess(run);
    const [plan] = rowsOf(stdout);
    expect([code, plan?.model, plan?.rooflines.map(({ gpu }) => gpu)]).toEqual([0, folder, ['M2 Max']]);
    const parameters = Object.fromEntries(plan?.parameters.networks.map((n) => [n.name, n.parameters]) ?? []);
    expect(parameters.unet).toBeLessThan(1e6);
    expect(parameters.hps).toBe(986109441);
    rmSync(folder, { recursive: true });
    // Nothing of the plan hangs on the vocabulary.
    const whole = rowsOf((await inProcess(run.with(2, fixture))).stdout)[0];
    expect({ ...whole, model: folder }).toEqual(plan);
  });

  it('costs less without a gradient', async () => {
    const plan = async (...more: string[]) => rowsOf((await inProcess(['plan', '--json', ...more])).stdout)[0];
    const [both, forward] = [await plan(), await plan('--no-optim')];
    expect(forward?.mode).toBe('no-optim');
    expect(forward?.stages.step.backward.flops).toBe(0);
    expect(forward?.stages.step.flops).toBeCloseTo(both?.stages.step.forward.flops ?? 0, -6);
    expect(forward?.memory.peak).toBeLessThan(both?.memory.peak ?? 0);
  });

  it('knows that a search from many noises judges most of them without a gradient, in the same memory', async () => {
    const plan = async (...more: string[]) => rowsOf((await inProcess(['plan', '--json', ...more])).stdout)[0];
    const [long, search] = [await plan(), await plan('--method', 'multi-start')];
    const forward = (await plan('--no-optim'))?.stages.step.flops ?? Number.NaN;
    expect([search?.mode, search?.run.iterations, long?.run.iterations]).toEqual(['multi-start', 70, 50]);
    expect(search?.run.judged?.flops).toBeCloseTo(forward, -6);
    expect(search?.run.judged?.dispatches).toBeLessThan(0.6 * (search?.stages.step.dispatches ?? 0));
    expect(search?.run.flops).toBeLessThan(long?.run.flops ?? 0);
    expect(search?.run.flops).toBeGreaterThan(0.8 * (long?.run.flops ?? Number.NaN));
    expect(Math.abs((search?.memory.peak ?? 0) - (long?.memory.peak ?? 0))).toBeLessThan(2 ** 16);
  });

  it('keeps weights in 8 bits on request', async () => {
    const plan = async (...more: string[]) => {
      const { stdout } = await inProcess(['plan', '--model', 'sd-turbo', '--gpu', 'a100', '--json', ...more]);
      return { stdout, plan: rowsOf(stdout)[0] };
    };
    const [whole, small] = [await plan(), await plan('--weight-bits', '8')];
    expect(small.stdout).toMatch(/^sd-turbo, 512×512, f16 with weights of 8 bits, reno, /);
    expect([whole.plan?.weightBits, small.plan?.weightBits]).toEqual([null, 8]);
    const weights = (of: typeof small) => of.plan?.memory.phases.find(({ phase }) => phase === 'step')?.weights ?? NaN;
    expect(weights(small)).toBeLessThan(0.51 * weights(whole));
    expect(small.plan?.memory.peak).toBeLessThan(0.66 * (whole.plan?.memory.peak ?? NaN));
    expect(small.plan?.stages.step.uploadedBytes).toBe(0);
  });

  it('stores chosen modules as f32 beside f16, which takes more memory', async () => {
    const plan = async (...more: string[]) => {
      const { stdout } = await inProcess(['plan', '--dtype', 'f16', '--rewards', 'clip', '--json', ...more]);
      return { stdout, plan: rowsOf(stdout)[0] };
    };
    const [half, raised] = [await plan(), await plan('--f32-modules', 'generator.vae.decoder.up_blocks.3')];
    expect(raised.stdout).toMatch(/^pocket, 96×96, f16 \(f32 in generator\.vae\.decoder\.up_blocks\.3\), reno, /);
    expect([half.plan?.f32Modules, raised.plan?.f32Modules]).toEqual([[], ['generator.vae.decoder.up_blocks.3']]);
    expect(raised.plan?.memory.peak).toBeGreaterThan(half.plan?.memory.peak ?? NaN);
  });

  it('keeps to a budget by streaming weights', async () => {
    const { stdout, code } = await inProcess(['plan', '--budget', '36MB', '--gpu', 'a100', '--json']);
    const [plan] = rowsOf(stdout);
    expect([code, plan?.budget]).toEqual([0, 36e6]);
    expect(plan?.memory.peak).toBeLessThanOrEqual(36e6);
    expect(plan?.stages.step.uploadedBytes).toBeGreaterThan(0);
    expect(plan?.rooflines[0]?.uploadSeconds).toBe((plan?.stages.step.uploadedBytes ?? 0) / 25e9);
    expect(stdout).toMatch(/^ {2}A100 80GB +80 GB +fits( +[\d.]+ µs){4}$/m);
  });

  it.each([
    [['--model', 'sdxl'], 2, /^reno: there is no model or folder "sdxl"; the models are pocket, sd-turbo, sdxl-turbo/],
    [['--size', '100'], 1, /^reno: a picture of 100×100 is not possible: sides must be multiples of 8$/],
    [['--size', 'large'], 2, /^reno: --size must be pixels, such as 512 or 768x512/],
    [['--budget', '8'], 2, /^reno: --budget must be a size with its unit, such as 8GiB or 900MB, not "8"$/],
    [
      ['--budget', '1MB', '--size', '64', '--rewards', 'clip'],
      1,
      /^reno: this run needs [\d.]+ MiB even with activations recomputed and all weights streamed .* but the budget is 1 MB/,
    ],
    [['--gpu', 'voodoo'], 2, /^reno: no GPU is called "voodoo"; there are A100 80GB, A100 40GB/],
    [['--rewards', 'beauty'], 2, /^reno: there is no reward "beauty"; the rewards are hps, clip/],
    [['--rewards', 'pickscore'], 2, /^reno: model pocket has no reward pickscore: .*pick_score is not there$/],
    [['--dtype', 'f8'], 2, /--dtype \(f8\)\. Expected one of: f32, f16/],
    [
      ['--dtype', 'f16', '--f32-modules', 'vae.decoder'],
      1,
      /^reno: no module "vae\.decoder" stores activations as f16, .*: did you mean generator\.vae\.decoder or /,
    ],
    [['--f32-modules', 'generator'], 1, /^reno: all activations are stored as f32 already: leave --f32-modules out/],
    [['--f32-modules', 'a,,b'], 2, /^reno: --f32-modules must be names with commas between, not "a,,b"$/],
    [['--n-iters', '3'], 2, /^reno: reno plan has no flag --n-iters/],
  ])('%j is refused in one sentence', async (more, code, sentence) => {
    const made = await inProcess(['plan', ...more]);
    expect(made.code).toBe(code);
    const said = code === 2 || made.stdout === '' ? made.stderr.join('\n') : (made.stdout.split('\n').at(-1) ?? '');
    expect(said).toMatch(sentence);
  });
});
