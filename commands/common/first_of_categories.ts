/** Returns the first `limit` entries of each category, in their order; all entries where there is no limit. */
export function firstOfCategories<T extends { readonly category: string | null }>(
  entries: readonly T[],
  limit: number | undefined,
): T[] {
  const seen = new Map<string | null, number>();
  return entries.filter(({ category }) => {
    const n = (seen.get(category) ?? 0) + 1;
    seen.set(category, n);
    return limit === undefined || n <= limit;
  });
}
