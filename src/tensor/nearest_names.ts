/** Names that somebody may have meant. */

const SHOWN = 8;

/** A half sentence for a name that is not among `known`: the nearest ones, or all of them where none is near. */
export function suggestion(name: string, known: Iterable<string>): string {
  const all = [...known];
  const near = nearestNames(name, all);
  if (near.length > 0) {
    return `did you mean ${near.join(' or ')}?`;
  }
  const more = all.length > SHOWN ? `, and ${all.length - SHOWN} more` : '';
  return all.length === 0 ? 'there are none' : `there is ${all.slice(0, SHOWN).join(', ')}${more}`;
}

/** Up to three of `known`, the nearest first, that differ from `name` in at most a third of its letters, or contain it. */
function nearestNames(name: string, known: readonly string[]): string[] {
  const lower = name.toLowerCase();
  const most = Math.max(1, Math.floor(name.length / 3));
  return known
    .map((other) => {
      const own = other.toLowerCase();
      const within = Math.min(name.length, other.length) > 0 && (own.includes(lower) || lower.includes(own));
      return { other, distance: within ? 0 : editDistance(lower, own, most) };
    })
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Levenshtein's distance, or more than `most` where it is certain to be more. */
function editDistance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) {
    return most + 1;
  }
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? most + 1;
}
