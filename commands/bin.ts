#!/usr/bin/env node
/** Runs the command `reno`. */
import { runCli } from '../src/cli/cli.ts';
import { leave, watchOutput } from '../src/platform/node/leave.ts';
import { reno } from './reno_command.ts';

watchOutput();
// Dawn keeps the process alive while its instance is referenced, so leave explicitly.
await leave(await runCli(reno, process.argv.slice(2)));
