#!/usr/bin/env node
/** The command `reno`. */
import { runCli } from './cli.ts';

// Dawn keeps the process alive while its instance is referenced, so leave explicitly.
process.exit(await runCli(process.argv.slice(2)));
