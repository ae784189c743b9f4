/** `reno profile diff`, and what `reno profile` refuses before it opens an adapter. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profileSummary } from '../../../commands/profile/print_profile.ts';
import { inProcess } from '../../cli/in_process.ts';
import { madeProfile } from '../../support/made_profile.ts';

let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'reno-profile-'));
  writeFileSync(join(work, 'profile.json'), JSON.stringify(madeProfile()));
  writeFileSync(join(work, 'after.json'), JSON.stringify(madeProfile(undefined, { 'matmul.tile': 1.3 })));
  writeFileSync(join(work, 'few.json'), JSON.stringify(madeProfile([1, 1.01])));
  writeFileSync(join(work, 'broken.json'), '{"dispatches":[],"format":2}');
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('reno profile diff', () => {
  it('says which kernel changed, and takes a folder for its profile.json', async () => {
    const { code, stdout } = await inProcess(['profile', 'diff', work, join(work, 'after.json'), '--json']);
    expect(code).toBe(0);
    const last = JSON.parse(stdout.split('\n').at(-1) ?? '');
    expect(last).toMatchObject({ ok: true });
    expect(last.summary).toMatch(/by kernel: 0 faster, 1 slower, 0 new, 0 gone, 5 within noise$/);
    expect(last.rows[0]).toMatchObject({ key: 'all dispatches' });
    expect(last.rows[1]).toMatchObject({ key: 'matmul.tile', verdict: 'slower' });
    expect(stdout).toMatch(/matmul\.tile .* 1\.300x +slower/);
  });

  it('groups as it is asked to', async () => {
    const { stdout } = await inProcess([
      'profile',
      'diff',
      work,
      join(work, 'after.json'),
      '--by',
      'module',
      '--depth',
      '1',
    ]);
    expect(stdout).toMatch(/^backward reward .* slower$/m);
    expect(stdout).toMatch(/^net .* noise$/m);
  });

  it('says that few runs decide nothing', async () => {
    const { stdout } = await inProcess(['profile', 'diff', work, join(work, 'few.json')]);
    expect(stdout).toContain('with fewer than 5 runs in one of the profiles nothing counts as more than noise');
  });

  it.each([
    [['profile', 'diff', '.'], 2, 'compares two profiles, and 1 were given'],
    [['profile', 'diff', 'a', 'b', 'c'], 2, 'compares two profiles, and 3 were given'],
    [['profile', 'diff', '/nowhere.json', '/nowhere.json'], 1, 'cannot read the profile /nowhere.json'],
    [['profile', '--by', 'colour'], 2, 'colour'],
    [['profile', '--runs', '0'], 2, '--runs'],
    [['profile', '--model', 'nothing'], 2, 'there is no model or folder "nothing"'],
    [['profile', '--against', '/nowhere.json'], 1, 'cannot read the profile /nowhere.json'],
  ])('%j is refused in one sentence', async (args, code, sentence) => {
    const result = await inProcess(args);
    expect(result.code).toBe(code);
    expect(result.stderr.at(-1)).toContain(sentence);
    expect(result.stderr).toHaveLength(1);
  });

  it('names the field of a broken profile', async () => {
    const { code, stderr } = await inProcess(['profile', 'diff', join(work, 'broken.json'), work]);
    expect(code).toBe(1);
    expect(stderr[0]).toMatch(/broken\.json is broken: its field tool is missing or wrong; profile again$/);
  });
});

describe('the summary', () => {
  it('says when single dispatches and passes are too far apart', () => {
    const profile = madeProfile();
    expect(profileSummary(profile)).not.toContain('apart');
    const passes = profile.passes.map((pass) => ({ ...pass, ns: pass.ns.map((ns) => ns * 0.8) }));
    expect(profileSummary({ ...profile, passes })).toMatch(/127\.6 % of .*, more than 15\.0 % apart/);
  });
});
