/** Parts of error messages about files. */

/** Returns the first few of many names of a file, for messages. */
export function listed(names: readonly string[], limit = 5): string {
  const more = names.length - limit;
  return names.length === 0
    ? 'none'
    : names.slice(0, limit).map(printable).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Returns text of a file for a message: at most 100 characters, without those that a terminal could take for a command. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e…]/g, '?').slice(0, 100);
}

/** Entries of a list or object, and levels of nesting, that `shown` prints. */
const SHOWN_ENTRIES = 8;
const SHOWN_LEVELS = 2;

/** Returns a JSON value for a message: as JSON, but of bounded length and depth, and without control characters. */
export function shown(value: unknown): string {
  return printable(json(value, SHOWN_LEVELS));
}

function json(value: unknown, levels: number): string {
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(typeof value === 'string' ? value.slice(0, 100) : value) ?? String(value);
  }
  const list = Array.isArray(value);
  const keys = levels > 0 ? Object.keys(value) : [];
  const entries = keys.slice(0, SHOWN_ENTRIES).map((key) => {
    const entry = json((value as Record<string, unknown>)[key], levels - 1);
    return list ? entry : `${JSON.stringify(key.slice(0, 100))}:${entry}`;
  });
  const more = keys.length > SHOWN_ENTRIES || levels === 0 ? ['…'] : [];
  const inside = [...entries, ...more].join(',');
  return list ? `[${inside}]` : `{${inside}}`;
}
