/** Parts of error messages about files. */

/** Returns the first few of many names, for messages. */
export function listed(names: readonly string[], limit = 5): string {
  const more = names.length - limit;
  return names.length === 0 ? 'none' : names.slice(0, limit).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Returns text of a file for a message: at most 100 characters, without those that a terminal could take for a command. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 100);
}
