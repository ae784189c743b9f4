/** Date and commit of a figure. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

/** When and on which sources something was measured. */
export interface Revision {
  /** Such as 2026-11-29. */
  readonly date: string;
  /** Short hash of the commit; with `+` where files have changed since; empty where git says nothing. */
  readonly commit: string;
}

export function revision(): Revision {
  const git = (...args: string[]): string => {
    const { status, stdout } = spawnSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : '';
  };
  // An installed package may lie in a repository of somebody else.
  const commit = existsSync(join(PACKAGE_ROOT, '.git')) ? git('rev-parse', '--short', 'HEAD') : '';
  const isChanged = git('status', '--porcelain', 'src', 'commands', 'tools') !== '';
  return { date: new Date().toISOString().slice(0, 10), commit: `${commit}${commit !== '' && isChanged ? '+' : ''}` };
}
