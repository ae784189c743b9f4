/** AMD's compiler in Mesa still makes of the kernels that matter what docs/kernels/codegen.json says. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CodegenRow } from '../../../commands/codegen/codegen_rows.ts';
import { KEPT_SHARE, keptModels, worseThanKept } from '../../../commands/codegen/kept_codegen.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { nullDeviceProblem } from '../../support/null_device.ts';

const GPUS = ['navi31', 'navi21'];

/** Compiles SD-Turbo's kernels in a process of its own: a process asks one compiler. */
function compiledNow(gpu: string): Promise<readonly CodegenRow[]> {
  const least = String(100 * KEPT_SHARE);
  const asked = ['kernels', 'stats', '--model', 'sd-turbo', '--size', '512', '--gpu', gpu, '--least', least, '--json'];
  return new Promise((resolve, reject) => {
    const args = ['--import', 'tsx', join(PACKAGE_ROOT, 'commands/bin.ts'), ...asked];
    execFile(process.execPath, args, { cwd: PACKAGE_ROOT, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const last = stdout.trim().split('\n').at(-1) ?? '';
      if (last.startsWith('{')) {
        resolve((JSON.parse(last) as { rows: CodegenRow[] }).rows);
      } else {
        reject(new Error(`${error?.message} ${stderr}`));
      }
    });
  });
}

const isKept = keptModels().some(({ model }) => model === 'sd-turbo');
const missing = isKept ? nullDeviceProblem() : 'docs/kernels/codegen.json keeps no figures of SD-Turbo yet';
const name = missing === null ? '' : ` (SKIPPED: ${missing})`;

describe.skipIf(missing !== null)(`what AMD's compiler makes of SD-Turbo's kernels${name}`, () => {
  // Two at a time: each takes one core.
  const now = new Map(missing === null ? GPUS.map((gpu) => [gpu, compiledNow(gpu)]) : []);

  it.each(GPUS)('is no worse on %s: no new spill, no third of the waves lost', async (gpu) => {
    const kept = keptModels().find((one) => one.model === 'sd-turbo' && one.gpu === gpu);
    expect(kept?.rows.length).toBeGreaterThan(10);
    const worse = worseThanKept(kept?.rows ?? [], (await now.get(gpu)) ?? []);
    expect(
      worse,
      `where this is meant, run: npm run reno -- kernels stats --model sd-turbo --size 512 --gpu ${gpu} --keep`,
    ).toEqual([]);
  });
});
