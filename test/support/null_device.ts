/** Whether AMD's compiler in Mesa can be asked here, for tests. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

/** Asks for one small kernel. @returns null, or the reason why there is no answer */
export function nullDeviceProblem(): string | null {
  const args = ['--import', 'tsx', join(PACKAGE_ROOT, 'commands/bin.ts'), 'kernels', 'asm', 'exp', '--summary'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: PACKAGE_ROOT, encoding: 'utf8' });
  return status === 0 ? null : (/^reno: (.*)$/m.exec(stderr)?.[1] ?? `the command ended with ${status}`);
}
