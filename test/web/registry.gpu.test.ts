/** The op registry in a real browser: SwiftShader, which has no shader-f16. `npm run page -- ops` runs all of it. */
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../../commands/page/launch_chromium.ts';
import { runRegistry } from '../../commands/page/ops/run_registry.ts';
import '../../src/kernels/index.ts';
import { allOps } from '../../src/tensor/op.ts';
import { BROWSER_PATIENCE } from '../support/chromium.ts';

if (!CHROMIUM) {
  console.warn('SKIPPED the op registry in Chromium: none is in /usr/bin, and the variable CHROMIUM names none.');
}

describe.skipIf(!CHROMIUM)('the op registry in Chromium', { timeout: BROWSER_PATIENCE }, () => {
  it('holds for a case of every op, by every variant that takes it', async () => {
    const { adapters, rows } = await runRegistry({ cases: 1 });
    expect(adapters.map(({ name, f16 }) => ({ name, f16 }))).toEqual([{ name: 'google swiftshader', f16: false }]);
    expect(rows.flatMap(({ op, failed }) => failed.map((one) => `${op} ${one}`))).toEqual([]);
    const computing = [...allOps().values()].filter(({ isView }) => !isView).map(({ name }) => name);
    expect(rows.filter(({ ok }) => ok > 0).map(({ op }) => op)).toEqual(computing);
  });
});
