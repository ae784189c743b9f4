/** The names of the methods by which a run looks for a noise. */
import type { Mode } from '../settings/settings.ts';

/** The names of the methods, and the mode that each runs in. */
export const METHODS = {
  reno: 'reno',
  'best-of-n': 'imageselect',
  'multi-start': 'multi-start',
  preconditioned: 'preconditioned',
  'zeroth-order': 'zeroth-order',
} as const satisfies Record<string, Mode>;

/** A method by its name. */
export type MethodName = keyof typeof METHODS;

/** The names of all methods. */
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** Returns the method that runs in a mode; undefined where nothing is searched. */
export const methodOf = (mode: unknown): MethodName | undefined => METHOD_NAMES.find((name) => METHODS[name] === mode);

/** Whether a mode follows the gradient of the rewards. */
export function ascends(mode: Mode): boolean {
  return mode === 'reno' || mode === 'multi-start' || mode === 'preconditioned';
}
