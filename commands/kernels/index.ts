/** `reno kernels`: lists, shows, runs and replaces the kernels of this project. */
import type { Command } from '../../src/cli/flags/args.ts';
import { tuneCommand } from '../../src/cli/tune.ts';
import { asmCommand } from './asm.ts';
import { courseCommand } from './course/course.ts';
import { dumpCommand } from './dump.ts';
import { editCommand } from './edit.ts';
import { listCommand } from './list.ts';
import { referenceCommand } from './reference/index.ts';
import { runCommand } from './run.ts';
import { showCommand } from './show.ts';
import { statsCommand } from './stats.ts';

export const command: Command = {
  meta: { name: 'kernels', description: 'List, show, run and change the kernels' },
  subCommands: {
    list: listCommand,
    show: showCommand,
    run: runCommand,
    edit: editCommand,
    dump: dumpCommand,
    asm: asmCommand,
    stats: statsCommand,
    reference: referenceCommand,
    tune: tuneCommand,
    course: courseCommand,
  },
};
