import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';

const LEAVE = pathToFileURL(join(PACKAGE_ROOT, 'src/platform/node/leave.ts')).href;

/** Runs a program that imports `leave`; its output is read `delay` ms late, or never. */
function run(program: string, { delay = 0, read = true } = {}): Promise<{ code: number | null; bytes: number }> {
  const code = `import { leave } from '${LEAVE}'; ${program}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: PACKAGE_ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let bytes = 0;
  if (read) {
    const count = (chunk: Buffer): void => {
      bytes += chunk.length;
    };
    setTimeout(() => child.stdout.on('data', count), delay);
  } else {
    child.stdout.destroy();
  }
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ code: status, bytes }));
  });
}

it('a reader that is slow gets all that was written', async () => {
  const { code, bytes } = await run(`console.log('x'.repeat(1_000_000)); await leave(3);`, { delay: 300 });
  expect(bytes).toBe(1_000_001);
  expect(code).toBe(3);
});

it('ends where nobody reads', async () => {
  const { code } = await run(
    `process.stdout.on('error', () => {}); console.log('x'.repeat(1_000_000)); await leave(4);`,
    { read: false },
  );
  expect(code).toBe(4);
});
