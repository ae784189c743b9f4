/** The settings that a saved picture carries: enough to make it again, and to say where its bytes may differ. */
import type { History } from '../../reno/report/history.ts';
import { methodOf } from '../../reno/search/method_names.ts';
import type { RunSettings } from '../state/studio_state.ts';
import { adapterName } from '../words.ts';
import { LIMITS } from './address.ts';
import { textOf, withText } from './png_text.ts';

const KEYWORD = 'reno-webgpu';

/** The contents of the text chunk. */
export interface Recipe {
  readonly settings: RunSettings;
  /** The adapter that made the picture. */
  readonly adapter: string;
}

/** Returns the PNG of a run's best picture with the run's settings in it. */
export function withRecipe(png: Uint8Array<ArrayBuffer>, history: History): Uint8Array<ArrayBuffer> {
  const { config, adapter, kernels, best } = history;
  const text = JSON.stringify({ format: 1, tool: history.tool, config, adapter, kernels, best });
  return withText(png, KEYWORD, text);
}

/** Returns what a picture carries. @throws Error, one sentence, when it carries nothing that can be used */
export function recipeOf(name: string, png: Uint8Array<ArrayBuffer>): Recipe {
  const text = textOf(png, KEYWORD);
  if (text === null) {
    throw new Error(`${name}: carries no settings; only PNG files that this page has saved, unchanged, do`);
  }
  const { prompt, seed, nIters, mode, adapter } = fieldsOf(text);
  const method = methodOf(mode);
  const isCount = (value: unknown, least: number, most: number): value is number =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  if (
    typeof prompt !== 'string' ||
    prompt.trim() === '' ||
    !isCount(seed, 0, LIMITS.seed) ||
    !isCount(nIters, 1, LIMITS.iterations) ||
    !method
  ) {
    throw new Error(`${name}: the settings that it carries are damaged`);
  }
  return { settings: { prompt, seed, iterations: nIters, method }, adapter };
}

function fieldsOf(text: string): {
  prompt?: unknown;
  seed?: unknown;
  nIters?: unknown;
  mode?: unknown;
  adapter: string;
} {
  const object = (value: unknown): Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null ? { ...value } : {};
  try {
    const all = object(JSON.parse(text));
    const { prompt, seed, nIters, mode } = object(all.config);
    const { description, vendor, architecture } = object(all.adapter);
    const word = (value: unknown): string => (typeof value === 'string' ? value : '');
    const adapter = { description: word(description), vendor: word(vendor), architecture: word(architecture) };
    return { prompt, seed, nIters, mode, adapter: adapterName(adapter) };
  } catch {
    return { adapter: '' };
  }
}
