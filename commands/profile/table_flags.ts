/** The flags that choose the rows of a table. */
import type { ArgsDef } from 'citty';
import { type Args, textFlag } from '../../src/cli/flags/args.ts';
import { GROUPINGS, type Grouping } from '../../src/tensor/profile/group_rows.ts';

export const DEFAULT_TOP = 30;
export const DEFAULT_DEPTH = 2;

export const tableFlags = {
  by: { type: 'enum', options: [...GROUPINGS], description: 'What a row stands for', default: 'kernel' },
  depth: {
    type: 'string',
    description: 'With --by module: parts of the module path that a row stands for',
    default: String(DEFAULT_DEPTH),
    valueHint: 'n',
  },
  top: { type: 'string', description: 'Rows to print', default: String(DEFAULT_TOP), valueHint: 'n' },
} satisfies ArgsDef;

export function groupingOf(args: Args): Grouping {
  const by = textFlag(args, 'by');
  return GROUPINGS.find((grouping) => grouping === by) ?? 'kernel';
}
