/** IndexedDB by promises: a database is opened for one use, and closed after it. */

/** Resolves to the result of a request. */
export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

/** Opens a database, uses it and closes it. @param create makes its stores, where the browser has no such database yet */
export async function withDatabase<T>(
  name: string,
  create: (database: IDBDatabase) => void,
  use: (database: IDBDatabase) => Promise<T>,
): Promise<T> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => create(opening.result);
  const database = await settled(opening);
  try {
    return await use(database);
  } finally {
    database.close();
  }
}
