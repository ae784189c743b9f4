/** Prints the tools' short lines, and ends with a sentence that a person can act on. */

/** Ends the process with one sentence (and optional lines of advice) on stderr. */
export function stop(sentence, advice = []) {
  console.error(`\n${sentence}`);
  for (const line of advice) {
    console.error(`  ${line}`);
  }
  process.exit(1);
}

/** `1.2 s`, `2 min 3 s` */
export function duration(ms) {
  const seconds = ms / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function say(line) {
  console.log(line);
}
