/** Settings in the page's address, so that a run can be linked to: `?prompt=…&seed=…&iterations=…`, and `&method=…` for others than ReNO. */
import { METHOD_NAMES } from '../../reno/search/method_names.ts';
import type { RunSettings } from '../state/studio_state.ts';

/** The largest seed and number of iterations that the form takes. */
export const LIMITS = { seed: 2 ** 32 - 1, iterations: 500 };

/** The settings that the form holds where neither a link nor a kept run gives others. */
export const FIRST_SETTINGS: RunSettings = { prompt: 'a photo of a red car', seed: 0, iterations: 50, method: 'reno' };

/** Returns the settings that an address names; what it lacks or has wrong comes from `others`. */
export function settingsOf(query: URLSearchParams, others: RunSettings): RunSettings {
  const whole = (name: 'seed' | 'iterations', least: number): number => {
    const text = query.get(name);
    const value = Number(text);
    return text?.trim() && Number.isInteger(value) && value >= least && value <= LIMITS[name] ? value : others[name];
  };
  return {
    prompt: query.get('prompt')?.trim() || others.prompt,
    seed: whole('seed', 0),
    iterations: whole('iterations', 1),
    method: METHOD_NAMES.find((name) => name === query.get('method')) ?? others.method,
  };
}

/** Returns `address` with the settings in its query; other parameters stay. */
export function withSettingsIn(address: string, { prompt, seed, iterations, method }: RunSettings): string {
  const url = new URL(address);
  url.searchParams.set('prompt', prompt);
  url.searchParams.set('seed', String(seed));
  url.searchParams.set('iterations', String(iterations));
  if (method === FIRST_SETTINGS.method) {
    url.searchParams.delete('method');
  } else {
    url.searchParams.set('method', method);
  }
  return url.href;
}

/** Returns whether an address names a prompt: one without is a plain visit. */
export const namesRun = (query: URLSearchParams): boolean => Boolean(query.get('prompt')?.trim());

export function sameSettings(a: RunSettings, b: RunSettings): boolean {
  return a.prompt === b.prompt && a.seed === b.seed && a.iterations === b.iterations && a.method === b.method;
}
