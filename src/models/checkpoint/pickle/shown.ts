/** Text of a file inside a message: short, and nothing that a terminal could take for a command. */
export function shown(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 100);
}
