/** Every network that has a golden fixture: for vitest (interpreter and GPU) and for `npm run parity`. */
import { readdirSync } from 'node:fs';
import type { Golden, ParityCase, Precision } from '../golden.ts';

type Cases = Readonly<Record<string, ParityCase>>;

/** The cases of all files `*_cases.ts` in this folder; each exports its own as `CASES`. */
export const CASES: Cases = await collectCases();

async function collectCases(): Promise<Cases> {
  const cases: Record<string, ParityCase> = {};
  for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('_cases.ts'))) {
    const module: { readonly CASES?: Cases } = await import(new URL(file, import.meta.url).href);
    if (!module.CASES) {
      throw new Error(`commands/parity/cases/${file} exports no CASES`);
    }
    Object.assign(cases, module.CASES);
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
