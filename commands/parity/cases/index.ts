/** Every network that has a golden fixture: for vitest (interpreter and GPU) and for `npm run parity`. */
import { readdirSync } from 'node:fs';
import type { Golden, ParityCase, Precision } from '../golden.ts';

type Cases = Readonly<Record<string, ParityCase>>;

/** The cases of all files `*_cases.ts` in this folder; each exports one table, whose name ends in `_CASES`. */
export const CASES: Cases = await collectCases();

async function collectCases(): Promise<Cases> {
  const cases: Record<string, ParityCase> = {};
  for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('_cases.ts'))) {
    const module: Readonly<Record<string, Cases>> = await import(new URL(file, import.meta.url).href);
    const [table] = Object.entries(module).flatMap(([name, value]) => (name.endsWith('_CASES') ? [value] : []));
    if (!table) {
      throw new Error(`commands/parity/cases/${file} exports no table of cases`);
    }
    Object.assign(cases, table);
  }
  return cases;
}

/** @throws Error when the case ignores the precision it is asked for, and would be measured as what it is not. */
export async function caseAt(name: string, precision: Precision): Promise<Golden> {
  const golden = await CASES[name]?.(precision);
  if (golden?.precision !== precision) {
    throw new Error(`parity case ${name} was not built in ${precision}: pass the precision on to golden()`);
  }
  return golden;
}
