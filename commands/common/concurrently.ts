/** Requests at once: enough to hide the way to a server, few enough for one that is small. */
const AT_ONCE = 16;

/** Returns what the work gives for each item, in order; several are under way at once. @throws the first error */
export async function concurrently<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [i, item] of queue) {
      results[i] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  return results;
}
