import { describe, expect, it } from 'vitest';
import { countFlag, isSet, numberFlag, parseCommandLine } from '../../../src/cli/flags/args.ts';
import { generateCommand } from '../../../src/cli/generate/generate.ts';
import { inProcess } from '../in_process.ts';

const generate = ['generate', '--prompt', 'a photo of a cat', '--n-iters', '1', '--out', '/nonexistent/reno'];

describe('a wrong command line', () => {
  it.each([
    [['generat'], /there is no command "reno generat"; the commands are generate, evaluate/],
    [['evaluate', 'everything'], /there is no command "reno evaluate everything"; the commands are pocket/],
    [['evaluate'], /reno evaluate needs a command; the commands are pocket/],
    [['generate'], /--prompt is missing/],
    [['generate', '--prompt'], /--prompt needs a value/],
    [['generate', '--prompt', '--no-optim'], /--prompt needs a value/],
    [['generate', 'a cat'], /reno generate takes no argument "a cat"/],
    [[...generate, '--n-iter', '3'], /reno generate has no flag --n-iter \(did you mean --n-iters\?\)/],
    [['generate', '-p', 'a', '--n-iters=none'], /--n-iters must be a number from 1 to 1000000, not "none"/],
    [[...generate, '--seed', '-1'], /--seed must be a number of at least 0, not "-1"/],
    [[...generate, '--seed', '0.5'], /--seed must be a whole number/],
    [[...generate, '--budget', '8'], /--budget must be a size with its unit, such as 8GiB or 900MB, not "8"/],
    [[...generate, '--budget', '0GiB'], /--budget must be a size with its unit/],
    [[...generate, '--weight-bits', '4'], /--weight-bits \(4\)\. Expected one of: 8/],
    [[...generate, '--optim', 'lion'], /invalid value for argument: --optim \(lion\)\. Expected one of: sgd, adam/],
    [[...generate, '--noise', 'numpy'], /--noise \(numpy\)\. Expected one of: reno, torch-cpu, torch-cuda/],
    [[...generate, '--model', 'sdxl'], /there is no model "sdxl"; the models are pocket[^;]*$/],
    [[...generate, '--model', '/tmp'], /there is no model "\/tmp"; .*; a folder is read with --weights \/tmp$/],
    [[...generate, '--rewards', 'hps,beauty'], /there is no reward "beauty"; the rewards are hps, clip/],
    [['evaluate', 'pocket', '--part', '3/2'], /--part must be a share such as 1\/2 or 2\/2, not "3\/2"/],
    [['evaluate', 'pocket', '--seeds', '0,x'], /--seeds must be whole numbers such as 0,1,2 or 0-3, not "0,x"/],
    [['generate', '-p', 'a', '--no-optim', '--imageselect'], /--no-optim and --imageselect exclude each other/],
    [[...generate, '--disable_hps', '--disable_clip', '--disable_imagereward'], /no reward is left/],
  ])('%j is refused in one sentence', async (args, sentence) => {
    const { code, stdout, stderr } = await inProcess(args);
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toMatch(sentence);
    expect(stderr[0]).toMatch(/^reno: /);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('--help', () => {
  it.each([
    [['--help'], ['generate', 'evaluate', 'doctor', 'devices']],
    [
      ['generate', '--help'],
      ['--prompt', '--n-iters', '--lr', '--optim', '--grad-clip', '--reg-weight', '--seed'],
    ],
    [
      ['generate', '-h', '--nonsense'],
      ['--no-optim', '--imageselect', '--save-all-images', '--hps-weighting'],
    ],
    [['evaluate', '--help'], ['pocket']],
    [
      ['evaluate', 'pocket', '--help'],
      ['--seeds', '--limit', '--json'],
    ],
    [
      ['doctor', '--help'],
      ['--adapter', '--json'],
    ],
    [['devices', '--help'], ['--json']],
  ])('%j names what there is', async (args, words) => {
    const { code, stdout } = await inProcess(args);
    for (const word of words) {
      expect(stdout).toContain(word);
    }
    expect(stdout).not.toContain(String.fromCharCode(27));
    expect(code).toBe(0);
  });

  it('is what a bare command gets', async () => {
    const { code, stdout } = await inProcess([]);
    expect(stdout).toContain('reno <command> --help');
    expect(code).toBe(2);
  });
});

describe('parseCommandLine', () => {
  const args = (...tokens: string[]) =>
    parseCommandLine({ meta: generateCommand.meta, args: generateCommand.args ?? {}, run: async () => 0 }, tokens).args;

  it("takes the reference's spelling, values with spaces and equals signs, and flags that begin with no-", () => {
    const parsed = args('--prompt=a = b', '--n_iters', '7', '--hps_weighting', '2', '--no_optim', '--save_all_images');
    expect(parsed.prompt).toBe('a = b');
    expect(countFlag(parsed, 'n-iters', 1)).toBe(7);
    expect(numberFlag(parsed, 'hps-weighting', 0)).toBe(2);
    expect(isSet(parsed, 'no-optim')).toBe(true);
    expect(isSet(parsed, 'save-all-images')).toBe(true);
    expect(isSet(parsed, 'imageselect')).toBe(false);
    expect(numberFlag(parsed, 'lr', 0)).toBeUndefined();
  });

  it('takes aliases and negative or exponent numbers as values', () => {
    expect(args('-p', 'a cat').prompt).toBe('a cat');
    expect(numberFlag(args('--lr', '1e-2'), 'lr', 0)).toBe(0.01);
    expect(numberFlag(args('--clip-weight', '0.5'), 'clip-weighting', 0)).toBe(0.5);
    expect(() => numberFlag(args('--lr', '-1'), 'lr', 0)).toThrow('--lr must be a number of at least 0, not "-1"');
  });
});
