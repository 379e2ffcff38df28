// The page's own database in the browser (IndexedDB). Without one, such as in a private window, values live in memory.

/** @typedef {"changes" | "snapshots"} StoreName */

const VERSION = 1;
const NAME = `task-timer ${new URL(document.baseURI).pathname}`;

/** @type {Promise<IDBDatabase | null> | null} */
let opened = null;

/** @type {Map<StoreName, Map<string, any>>} */
const memory = new Map();

/**
 * Store a value.
 *
 * @param {StoreName} name
 * @param {string} key Keys are sorted as text.
 * @param {unknown} value
 */
export async function put(name, key, value) {
  const database = await open();
  if (database) await done(database.transaction(name, "readwrite").objectStore(name).put(value, key));
  else inMemory(name).set(key, value);
}

/**
 * @param {StoreName} name
 * @param {string} key
 * @returns {Promise<any>} Undefined when there is none.
 */
export async function get(name, key) {
  const database = await open();
  return database ? done(database.transaction(name).objectStore(name).get(key)) : inMemory(name).get(key);
}

/**
 * Return all values of keys with a prefix, sorted by their keys.
 *
 * @param {StoreName} name
 * @param {string} prefix
 * @returns {Promise<any[]>}
 */
export async function all(name, prefix) {
  const database = await open();
  if (database) {
    const keys = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    return done(database.transaction(name).objectStore(name).getAll(keys));
  }
  const entries = [...inMemory(name)].filter(([key]) => key.startsWith(prefix));
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}

/**
 * @param {StoreName} name
 * @param {string} key
 */
export async function remove(name, key) {
  const database = await open();
  if (database) await done(database.transaction(name, "readwrite").objectStore(name).delete(key));
  else inMemory(name).delete(key);
}

/**
 * Remove all values.
 *
 * @param {StoreName} name
 */
export async function clear(name) {
  const database = await open();
  if (database) await done(database.transaction(name, "readwrite").objectStore(name).clear());
  else inMemory(name).clear();
}

/** @returns {Promise<IDBDatabase | null>} */
function open() {
  opened ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open(NAME, VERSION);
      request.onupgradeneeded = () => {
        for (const name of ["changes", "snapshots"]) request.result.createObjectStore(name);
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opened;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {StoreName} name */
function inMemory(name) {
  const values = memory.get(name) ?? new Map();
  memory.set(name, values);
  return values;
}
