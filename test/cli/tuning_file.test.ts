/** The tuning table on disk: where it is kept, what is refused, and what goes before what. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wantsSubgroupMatrix } from '../../src/cli/adapter.ts';
import { forcedVariants } from '../../src/cli/kernel_variable.ts';
import { tuningFiles, tuningFolder, tuningStore } from '../../src/platform/node/tuning_file.ts';
import '../../src/kernels/index.ts';
import { GPU_CAPS } from '../../src/cli/plan/planned_run.ts';
import {
  parseTuning,
  showTuning,
  type TuningTable,
  tunedAdapter,
  tuningOf,
  withChecks,
} from '../../src/tensor/tuning/tuning_table.ts';

const adapter = { vendor: 'acme', architecture: 'quick', description: 'Acme Quick, driver 7', caps: 'f16=true' };
const tableOf = (variant: string, description = adapter.description): TuningTable => ({
  format: 1,
  adapter: { ...adapter, description },
  sites: { 'matmul x': { variant, ns: { naive: 2, cpu_tile_4x8: 1 } } },
});

let folder: string;
let said: string[];
const files = (fixed?: string) => tuningFiles(folder, fixed, (sentence) => said.push(sentence));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tuning-'));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the file', () => {
  it('keeps a table, and nothing else in its folder', async () => {
    await files().save(tableOf('cpu_tile_4x8'));
    expect(await files().load(adapter)).toEqual(tableOf('cpu_tile_4x8'));
    expect(readdirSync(folder)).toHaveLength(1);
    expect(await files().load({ ...adapter, description: 'driver 8' })).toBeNull();
    await files().clear(adapter);
    expect(await files().load(adapter)).toBeNull();
    expect(said).toEqual([]);
  });

  it.each([
    ['half a file', '{"format": 1, "adap', /is not JSON/],
    [
      'another version',
      JSON.stringify({ ...tableOf('naive'), format: 0 }),
      /no tuning table of format 1 \(its format is 0\)/,
    ],
    ['nothing of the kind', '[]', /its format is missing/],
    ['no adapter', '{"format": 1, "sites": {}}', /does not say which adapter/],
    ['a winner without a time', JSON.stringify(tableOf('gpu_tile')), /a site without a winner and its times: matmul x/],
    ['another driver', JSON.stringify(tableOf('naive', 'driver 6')), /of another adapter or driver \(driver 6\)/],
  ])('says in a sentence that %s is ignored', async (_, text, sentence) => {
    writeFileSync(files().pathOf(adapter), text);
    expect(await files().load(adapter)).toBeNull();
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^the tuning table is not used: .*"reno tune" makes a new one$/);
    expect(said[0]).toMatch(sentence);
  });

  it('says that a named file is not there', async () => {
    expect(await files(join(folder, 'mine.json')).load(adapter)).toBeNull();
    expect(said[0]).toMatch(/mine\.json is not there/);
  });

  it('cannot be kept where nothing can be written', async () => {
    writeFileSync(join(folder, 'taken'), '');
    await expect(files(join(folder, 'taken', 'x.json')).save(tableOf('naive'))).rejects.toThrow(
      /^cannot keep the tuning table: .*RENO_TUNING=file names another place$/,
    );
  });

  it('lies where the system keeps caches', () => {
    expect(tuningFolder({ XDG_CACHE_HOME: '/c' }, '/h', 'linux')).toBe('/c/reno-webgpu/tuning');
    expect(tuningFolder({ XDG_CACHE_HOME: 'c' }, '/h', 'linux')).toBe('/h/.cache/reno-webgpu/tuning');
    expect(tuningFolder({}, '/h', 'darwin')).toBe('/h/Library/Caches/reno-webgpu/tuning');
    expect(tuningStore(() => {}, 'off')).toBeNull();
  });

  it('is the same text for the same table', () => {
    const sites = { 'b x': { variant: 'naive', ns: { naive: 1 } }, 'a x': { variant: 'naive', ns: { naive: 1 } } };
    const text = showTuning({ ...tableOf('naive'), sites });
    expect(parseTuning(text, 'it').sites).toEqual(sites);
    expect(showTuning(parseTuning(text, 'it'))).toBe(text);
    expect(text.indexOf('a x')).toBeLessThan(text.indexOf('b x'));
  });
});

describe('results of checks', () => {
  const checks = { matmul: { hash: 'a', problem: null }, conv2d: { hash: 'b', problem: 'it is wrong' } };

  it('are kept beside the times, for the same adapter whatever was left out', async () => {
    await files().save(withChecks(adapter, tableOf('naive'), { matmul: checks.matmul }));
    await files().save(withChecks(adapter, await files().load(adapter), { conv2d: checks.conv2d }));
    expect(await files().load(adapter)).toEqual({ ...tableOf('naive'), checks });
    expect(withChecks(adapter, null, checks)).toEqual({ format: 1, adapter, sites: {}, checks });
    const caps = { ...GPU_CAPS };
    const info = { vendor: '', architecture: '', description: '' };
    const leftOut = { matmul: ['subgroup_matrix'] };
    expect(tunedAdapter({ info, caps: { ...caps, leftOut } })).toEqual(tunedAdapter({ info, caps }));
  });

  it('that are damaged count as unknown', () => {
    const text = showTuning({ ...tableOf('naive'), checks: { ...checks, attention: { hash: 1 } as never } });
    expect(parseTuning(text, 'it').checks).toEqual(checks);
  });
});

describe('a table', () => {
  const find = (table: TuningTable | null) => tuningOf(adapter, table, 'own file').get('matmul x');

  it('holds for the adapter, driver and capabilities that gave it', () => {
    expect(find(tableOf('cpu_tile_4x8'))).toMatchObject({ variant: 'cpu_tile_4x8', source: 'own file' });
    expect(find(null)).toBeUndefined();
    expect(find(tableOf('cpu_tile_4x8', 'driver 6'))).toBeUndefined();
    expect(find({ ...tableOf('naive'), adapter: { ...adapter, caps: 'f16=false' } })).toBeUndefined();
  });
});

describe('KERNEL', () => {
  it('forces variants by op', () => {
    expect(forcedVariants('matmul:naive, conv2d:cpu_tile_4x8')).toEqual({ matmul: 'naive', conv2d: 'cpu_tile_4x8' });
    expect(forcedVariants('')).toEqual({});
  });

  it.each([
    ['matmul', /^KERNEL must be like conv2d:naive,matmul:gpu_tile, not "matmul"$/],
    ['matmul:', /must be like/],
    ['matmul:naive:cpu_tile_4x8', /must be like/],
    ['matmul:naive,', /must be like/],
    ['matmul:toString', /^KERNEL: matmul has no variant toString; it has subgroup_matrix, /],
    ['matmul:v99', /^KERNEL: matmul has no variant v99; it has .*, naive$/],
    ['conv2d:v3', /^KERNEL: variant v3 of conv2d is called gpu_tile now$/],
    ['nothing:naive', /op "nothing", which does not exist; the ops are/],
    ['matmul:naive,matmul:cpu_tile_4x8', /^KERNEL names matmul twice, as naive and cpu_tile_4x8$/],
  ])('%s is refused in a sentence', (text, sentence) => {
    expect(() => forcedVariants(text)).toThrow(sentence);
  });
});

it('RENO_SUBGROUP_MATRIX is 1 or 0, and on by default', () => {
  expect(['1', '0', '', undefined].map((setting) => wantsSubgroupMatrix(setting))).toEqual([true, false, true, true]);
  expect(() => wantsSubgroupMatrix('yes')).toThrow(/^RENO_SUBGROUP_MATRIX must be 0 .* or 1, not "yes"$/);
});
