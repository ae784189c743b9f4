/** Tiles of f32 operands on matrix units (src/kernels/common/split_tile.ts): that invocations and workgroup memory cover them evenly. */
import { describe, expect, it } from 'vitest';
import { MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';
import { matrixTile } from '../../../src/kernels/common/matrix_tile.ts';
import { splitTile, splitTileCode } from '../../../src/kernels/common/split_tile.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';

const SHAPES = [
  [8, 8, 8],
  [16, 8, 8],
  [16, 16, 16],
  [16, 16, 32],
] as const;

const capsOf = ([m, n, k]: readonly [number, number, number], software = false): DeviceCaps => ({
  ...MATRIX_GPU.caps,
  software,
  ...(software ? { subgroupMinSize: 8, subgroupMaxSize: 8, maxWorkgroupStorage: 32768 } : {}),
  subgroupMatrices: [{ component: 'f16', result: 'f32', m, n, k }],
});

describe.each(SHAPES)('a tile for matrices of %sx%sx%s', (...shape) => {
  const tiles = [false, true].flatMap((software) =>
    [
      [40000, 512],
      [40000, 64],
      [70, 72],
    ].map(([m = 0, n = 0]) => splitTile(m, n, 1, capsOf(shape, software))),
  );

  it('is divided evenly by invocations, whichever way its operands lie', () => {
    const sizes = new Set<string>();
    for (const tile of tiles) {
      const c = tile?.constants ?? {};
      const [rows = 0, columns = 0, step = 0] = [c.TILE_ROWS, c.TILE_COLUMNS, c.K_STEP];
      const threads = (rows / (c.SUB_ROWS ?? 0)) * (columns / (c.SUB_COLUMNS ?? 0)) * (c.SUBGROUP ?? 0);
      sizes.add(`${rows}x${columns}`);
      for (const lines of [rows, columns]) {
        expect((lines * step) / 4 / threads).toBe(Math.round((lines * step) / 4 / threads));
        expect(threads % (lines / 4)).toBe(0);
        expect(threads % (step / 4)).toBe(0);
      }
      expect(step % shape[2]).toBe(0);
    }
    expect([...sizes]).toEqual(expect.arrayContaining(['128x64', '64x64', '32x32']));
  });

  it('needs no more workgroup memory than the adapter has', () => {
    for (const [i, tile] of tiles.entries()) {
      const caps = capsOf(shape, i >= 3);
      for (const a of ['along k', 'across k'] as const) {
        for (const b of ['along k', 'across k'] as const) {
          expect(bytesOf(splitTileCode('', a, b, caps), tile?.constants ?? {})).toBeLessThanOrEqual(
            caps.maxWorkgroupStorage,
          );
        }
      }
    }
  });
});

/** Bytes of the workgroup variables in WGSL, whose sizes are constants and products of them. */
function bytesOf(wgsl: string, constants: Readonly<Record<string, number>>): number {
  const known = new Map(Object.entries(constants));
  const value = (expression: string): number => {
    const numbers = expression.replace(/\b(\d+)u\b/g, '$1').replace(/[A-Z_]{2,}/g, (name) => `${known.get(name)}`);
    return Number(new Function(`return ${numbers}`)());
  };
  for (const [, name = '', expression = ''] of wgsl.matchAll(/^const (\w+) = (.+);$/gm)) {
    known.set(name, Math.floor(value(expression)));
  }
  return [...wgsl.matchAll(/^var<workgroup> \w+: array<([^,]+), (.+)>;$/gm)].reduce(
    (sum, [, type = '', size = '']) => sum + (type === 'f16' ? 2 : 4) * value(size),
    0,
  );
}

describe('the tile of f32 operands', () => {
  it('has half the steps and half the columns of that of f16 operands', () => {
    const caps = capsOf([16, 16, 16]);
    expect(splitTile(40000, 512, 1, caps)).toMatchObject({ rows: 128, columns: 64, constants: { K_STEP: 16 } });
    expect(matrixTile(40000, 512, 1, caps)).toMatchObject({ rows: 128, columns: 128 });
  });

  it('is absent where matrices of f16 are', () => {
    const { subgroupMatrices, ...caps } = MATRIX_GPU.caps;
    expect(splitTile(64, 64, 1, caps)).toBeNull();
    const others = [{ component: 'f32', result: 'f32', m: 16, n: 16, k: 16 }];
    expect(splitTile(64, 64, 1, { ...caps, subgroupMatrices: others })).toBeNull();
  });
});
