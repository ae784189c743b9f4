import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codegenPage } from '../../commands/codegen/codegen_page.ts';
import type { CodegenRow } from '../../commands/codegen/codegen_rows.ts';
import { keptModels, worseThanKept } from '../../commands/codegen/kept_codegen.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

const row = (label: string, share: number, changes: Partial<CodegenRow> = {}): CodegenRow => ({
  ...{ label, site: 'f16[8,8] → f16[8,8]', share, dispatches: { load: 0, prompt: 0, step: 1 } },
  ...{
    vgprs: 128,
    sgprs: 128,
    spilled: 0,
    lds: 1024,
    waves: 12,
    instructions: 500,
    latency: 900,
    inverseThroughput: 90,
  },
  ...{ kinds: null, written: 0, issued: 0, loaded: 0, least: 0, statistics: {} },
  ...changes,
});

describe('kernels that are compared with those that were kept', () => {
  const kept = [row('a.tile', 0.6), row('b.tile', 0.3), row('b.tile', 0.1, { waves: 4 })];
  const now = (changes: Partial<CodegenRow>, place = 0) =>
    worseThanKept(
      kept,
      kept.map((one, i) => (i === place ? { ...one, ...changes } : one)),
    );

  it('may be the same, better, or a little worse', () => {
    expect(now({})).toEqual([]);
    expect(now({ waves: 16, vgprs: 64 })).toEqual([]);
    expect(now({ waves: 9, vgprs: 160 })).toEqual([]);
  });

  it('may not begin to spill', () => {
    expect(now({ spilled: 7 })).toEqual(['a.tile f16[8,8] → f16[8,8] spills 7 registers, 0 before']);
    expect(worseThanKept(kept, [...kept, row('new.tile', 0.01, { spilled: 1 })])).toEqual([
      'new.tile f16[8,8] → f16[8,8] spills 1 registers, 0 before',
    ]);
  });

  it('may not lose a third of their waves', () => {
    expect(now({ waves: 8 })).toEqual(['a.tile f16[8,8] → f16[8,8] has 8 waves per SIMD, 12 before']);
    expect(now({ waves: 2 }, 2)).toEqual(['b.tile f16[8,8] → f16[8,8] #2 has 2 waves per SIMD, 4 before']);
  });

  it('must compile', () => {
    expect(now({ failure: 'no such type', spilled: Number.NaN, waves: Number.NaN })[0]).toMatch(
      /does not compile: no such type/,
    );
  });

  it('must be found again, or nothing would be compared', () => {
    expect(worseThanKept(kept, kept.slice(1))[0]).toMatch(/^only 40 % of the arithmetic that was kept is found again/);
    expect(worseThanKept(kept, kept.slice(0, 2))).toEqual([]);
  });
});

describe('docs/kernels/codegen.md', () => {
  const models = keptModels();

  it('is what the kept figures give', () => {
    expect(readFileSync(join(PACKAGE_ROOT, 'docs/kernels/codegen.md'), 'utf8')).toBe(codegenPage(models));
  });

  it('has SD-Turbo on two GPUs, plans that compile whole, on committed sources', () => {
    const turbo = models.filter(({ model }) => model === 'sd-turbo').map(({ gpu }) => gpu);
    expect(turbo).toEqual(expect.arrayContaining(['navi31', 'navi21']));
    for (const { compiled, pipelines, rows, commit } of models) {
      expect(compiled).toBe(pipelines);
      expect(rows.length).toBeGreaterThan(5);
      expect(commit).toMatch(/^[0-9a-f]{7,}$/);
    }
  });
});
