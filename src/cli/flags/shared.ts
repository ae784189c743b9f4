/** Flags and output that several commands share. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArgsDef } from 'citty';
import type { AdapterChoice } from '../../platform/node/open_device.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import { printJsonLine } from '../words.ts';
import { type Args, isSet, textFlag } from './args.ts';

export const adapterFlags = {
  adapter: {
    type: 'string',
    description: 'Part of the adapter\'s name (see "reno devices"; or set RENO_ADAPTER)',
    valueHint: 'name',
  },
  backend: {
    type: 'string',
    description: 'Graphics API, such as vulkan or metal (or set RENO_BACKEND)',
    valueHint: 'name',
  },
} satisfies ArgsDef;

export const jsonFlag = {
  json: { type: 'boolean', description: 'Print one last line of JSON: {"ok","summary","rows"}' },
} satisfies ArgsDef;

export function adapterChoice(args: Args): AdapterChoice {
  const adapter = textFlag(args, 'adapter');
  const backend = textFlag(args, 'backend');
  return { ...(adapter ? { adapter } : {}), ...(backend ? { backend } : {}) };
}

/** The last line of a command that was given --json. */
interface JsonResult {
  readonly ok: boolean;
  readonly summary: string;
  readonly rows: readonly unknown[];
}

export function printJson(result: JsonResult): void {
  printJsonLine(result);
}

/** Prints a command's summary, and with --json the last line. @returns the exit code */
export function finish(args: Args, ok: boolean, summary: string, rows: readonly unknown[]): number {
  console.log(summary);
  if (isSet(args, 'json')) {
    printJson({ ok, summary, rows });
  }
  return ok ? 0 : 1;
}

/** The package's name and version, such as `reno-webgpu 0.1.0`. */
export function toolVersion(): string {
  const { name, version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };
  return `${name} ${version}`;
}
