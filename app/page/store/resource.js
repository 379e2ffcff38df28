// Data of the API that a view shows: loaded, loaded again after changes, cancelled when the view is left. And requests
// for many items, of which some are sent at once.

import { effect, onCleanup, signal } from "../lib/signal.js";
import { onChange } from "./changes.js";
import { whenReachableAgain } from "./presence/reachable.js";

/**
 * @template T
 * @typedef {object} Resource
 * @property {import("../lib/signal.js").Signal<T | null>} data The last data, also while newer data is loaded.
 * @property {import("../lib/signal.js").Signal<Error | null>} error
 * @property {import("../lib/signal.js").Signal<boolean>} isLoading
 * @property {() => void} reload
 */

/**
 * For how long changes cancel requests. Then one is completed: if changes came faster than answers, the data would never
 * be shown.
 */
const MAX_CANCELLED_MS = 2000;

/**
 * Load data, and load it again when a signal that `load` reads synchronously changes, or after a change of these kinds.
 *
 * An earlier request is cancelled when a later one begins or the scope ends. After two seconds of changes a request is
 * completed, and the next one follows. What could not be loaded because the service was away is loaded when it is back.
 *
 * @template T
 * @param {(signal: AbortSignal, show: (part: T) => void) => Promise<T>} load `show` shows a part of the data before all
 *   of it is loaded.
 * @param {readonly string[]} [kinds] As for onChange.
 * @returns {Resource<T>}
 */
export function resource(load, kinds = []) {
  const data = signal(/** @type {T | null} */ (null));
  const error = signal(/** @type {Error | null} */ (null));
  const isLoading = signal(true);
  const round = signal(0);
  let isReload = false;
  let isAskedAgain = false;
  let incompleteSince = 0;
  const reload = () => {
    if (!isLoading.peek()) incompleteSince = performance.now();
    if (performance.now() - incompleteSince > MAX_CANCELLED_MS) {
      isAskedAgain = true;
      return;
    }
    isReload = true;
    round.value = round.peek() + 1;
  };
  effect(() => {
    void round.value;
    const controller = new AbortController();
    onCleanup(() => controller.abort());
    if (!isReload) incompleteSince = performance.now();
    isReload = isAskedAgain = false;
    isLoading.value = true;
    const show = (/** @type {T} */ part) => {
      if (!controller.signal.aborted) data.value = part;
    };
    function end(/** @type {Error | null} */ failure) {
      error.value = failure;
      isLoading.value = false;
      if (isAskedAgain) reload();
    }
    load(controller.signal, show).then(
      (loaded) => {
        if (controller.signal.aborted) return;
        data.value = loaded;
        end(null);
      },
      (/** @type {Error} */ failure) => {
        if (!controller.signal.aborted) end(failure);
      },
    );
  });
  onChange(kinds, reload);
  whenReachableAgain(() => {
    if (error.peek() && !isLoading.peek()) reload();
  });
  return { data, error, isLoading, reload };
}

/**
 * Load a list page by page. `more` appends the next page; a change loads as many items again as are shown.
 *
 * @template Item
 * @param {(query: {cursor: string | null, limit: number}, signal: AbortSignal) =>
 *   Promise<{items: Item[], next_cursor: string | null}>} loadPage
 * @param {readonly string[]} [kinds]
 * @param {number} [size] Items of a page.
 * @returns {Resource<Item[]> & {hasMore: () => boolean, more: () => Promise<void>}}
 */
export function pagedResource(loadPage, kinds = [], size = 50) {
  let count = size;
  const cursor = signal(/** @type {string | null} */ (null));
  const list = resource(async (/** @type {AbortSignal} */ aborted) => {
    const first = await loadPage({ cursor: null, limit: Math.min(count, 200) }, aborted);
    const { items } = first;
    let next = first.next_cursor;
    while (next && items.length < count) {
      const page = await loadPage({ cursor: next, limit: Math.min(count - items.length, 200) }, aborted);
      items.push(...page.items);
      next = page.next_cursor;
    }
    cursor.value = next;
    return items;
  }, kinds);
  async function more() {
    const after = cursor.peek();
    // While the list is loaded again, its cursor can belong to another query. After that, the next page is asked for anew.
    if (!after || list.isLoading.peek()) return;
    const page = await loadPage({ cursor: after, limit: size }, new AbortController().signal);
    if (cursor.peek() !== after || list.isLoading.peek()) return;
    cursor.value = page.next_cursor;
    list.data.value = [...(list.data.peek() ?? []), ...page.items];
    count = list.data.peek()?.length ?? size;
  }
  return { ...list, hasMore: () => cursor.value !== null, more };
}

/**
 * Return a function that does the work, but never twice at once: what is asked for meanwhile is done once, after it. A
 * service that has too much to do gets no second request before it has answered the first.
 *
 * @param {() => Promise<void>} work
 * @returns {() => Promise<void>}
 */
export function oneAtATime(work) {
  /** @type {Promise<void> | null} */
  let current = null;
  /** @type {Promise<void> | null} */
  let next = null;
  function begin() {
    next = null;
    current = work().finally(() => {
      current = null;
    });
    return current;
  }
  return () => {
    if (!current) return begin();
    next ??= current.catch(() => {}).then(begin);
    return next;
  };
}

/**
 * Return a function that does each work after all that it was given before, also if that has failed.
 *
 * @returns {<T>(work: () => Promise<T>) => Promise<T>}
 */
export function workQueue() {
  let last = /** @type {Promise<unknown>} */ (Promise.resolve());
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };
}

/** A browser sends six requests to a host at once: others need room between those of a long list. */
const MAX_PARALLEL = 4;

/**
 * Do the work for all items, for some of them at once. After a failure no other begins.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<unknown>} work
 */
export async function forEachParallel(items, work) {
  const rest = [...items];
  async function workOff() {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  }
  try {
    await Promise.all(Array.from({ length: MAX_PARALLEL }, workOff));
  } finally {
    rest.length = 0;
  }
}
