// What the service asks for with Retry-After: to send it nothing for a while. It is one wait for all requests of the tab.

import { signal } from "./lib/signal.js";

/** A longer wait is divided: the page asks again after this time. */
const MAX_WAIT_MS = 120_000;
/** A request that can wait elsewhere, such as in the queue of changes, does not wait for longer. */
const SHORT_WAIT_MS = 5000;

/** When the page goes on, in milliseconds of the clock of this machine; null while it need not wait. */
export const busyUntil = signal(/** @type {number | null} */ (null));

let isOver = Promise.resolve();
/** @type {() => void} */
let end = () => {};
let timeout = 0;

/**
 * Begin to wait, or wait for longer, if the answer asks for it.
 *
 * @param {Response} response
 * @returns {boolean} Whether it asks for it.
 */
export function noteRetryAfter(response) {
  const asked = retryAfter(response);
  if (asked === null) return false;
  const wait = Math.min(asked, MAX_WAIT_MS);
  const until = Date.now() + wait;
  const before = busyUntil.peek();
  if (before !== null && until <= before) return true;
  if (before === null) {
    isOver = new Promise((resolve) => {
      end = resolve;
    });
  }
  busyUntil.value = until;
  clearTimeout(timeout);
  timeout = window.setTimeout(() => {
    busyUntil.value = null;
    end();
  }, wait);
  return true;
}

/**
 * Return the milliseconds that an answer asks to wait, or null.
 *
 * @param {Response} response
 */
export function retryAfter(response) {
  if (response.status !== 429 && response.status !== 503) return null;
  const asked = Number(response.headers.get("Retry-After") ?? "0") * 1000;
  return asked > 0 ? asked : null;
}

/** Return whether the wait is so long that a person notices it. */
export function isBusyForLong() {
  return (busyUntil.peek() ?? 0) > Date.now() + SHORT_WAIT_MS;
}

/**
 * Wait until requests can be sent. Throws an AbortError when `aborted` is aborted meanwhile.
 *
 * @param {AbortSignal} [aborted]
 */
export async function untilNotBusy(aborted) {
  while (busyUntil.peek() !== null) await orAborted(isOver, aborted);
}

/**
 * Wait for a result, or throw an AbortError when `aborted` is aborted before.
 *
 * @template T
 * @param {Promise<T>} result
 * @param {AbortSignal} [aborted]
 * @returns {Promise<T>}
 */
export async function orAborted(result, aborted) {
  if (!aborted) return result;
  aborted.throwIfAborted();
  return Promise.race([
    result,
    new Promise((_, reject) => {
      aborted.addEventListener("abort", () => reject(aborted.reason), { once: true });
    }),
  ]);
}
