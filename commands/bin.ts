#!/usr/bin/env node
/** Runs the command `reno`. */
import { runCli } from '../src/cli/cli.ts';
import { reno } from './reno_command.ts';

// Dawn keeps the process alive while its instance is referenced, so leave explicitly.
process.exit(await runCli(reno, process.argv.slice(2)));
