/** Tells of a harmless difference in a model folder. A folder may be read several times, so each sentence is said once. */

const said = new Set<string>();

/** Writes the sentence to stderr, or to a browser's console, unless this process has said it before. */
export function warnOnce(sentence: string): void {
  if (!said.has(sentence)) {
    said.add(sentence);
    console.warn(`reno: ${sentence}`);
  }
}
