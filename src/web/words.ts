/** Puts numbers, errors and adapters into words. */
import { sentenceOf } from '../platform/sentence_of.ts';
import type { AdapterRecord } from '../reno/report/history.ts';

/** `1 iteration`, `2 iterations` */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Returns an error's text with a capital at its start and a full stop at its end. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/** Returns the text of anything thrown, as `sentence` writes it. */
export const errorSentence = (error: unknown): string => sentence(sentenceOf(error));

/** Returns the words by which an adapter is named. */
export const adapterName = ({
  description,
  vendor,
  architecture,
}: Pick<AdapterRecord, 'description' | 'vendor' | 'architecture'>): string =>
  description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';
