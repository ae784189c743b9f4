/** Every network that has a golden fixture: for vitest (interpreter and GPU) and for `npm run parity`. */
import type { Golden, ParityCase, Precision } from '../golden.ts';
import { BLOCK_CASES } from './block_cases.ts';
import { DIFFUSERS_CASES } from './diffusers_cases.ts';
import { FLUX_CASES } from './flux_cases.ts';
import { PIXART_CASES } from './pixart_cases.ts';
import { REWARD_CASES } from './reward_cases.ts';
import { REWARD_NETWORK_CASES } from './reward_network_cases.ts';
import { SDXL_CASES } from './sdxl_cases.ts';
import { TAESD_CASES } from './taesd_cases.ts';

export const CASES: Readonly<Record<string, ParityCase>> = {
  ...BLOCK_CASES,
  ...DIFFUSERS_CASES,
  ...FLUX_CASES,
  ...PIXART_CASES,
  ...REWARD_NETWORK_CASES,
  ...REWARD_CASES,
  ...SDXL_CASES,
  ...TAESD_CASES,
};

/** @throws Error when the case ignores the precision it is asked for, and would be measured as what it is not. */
export async function caseAt(name: string, precision: Precision): Promise<Golden> {
  const golden = await CASES[name]?.(precision);
  if (golden?.precision !== precision) {
    throw new Error(`parity case ${name} was not built in ${precision}: pass the precision on to golden()`);
  }
  return golden;
}
