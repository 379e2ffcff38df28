// What is done again when the service is back.

import { isReachable, UnreachableError } from "../../api.js";
import { effect, onCleanup } from "../../lib/signal.js";

/** How often the page asks whether the service is back. */
export const RETRY_MS = 5000;

/**
 * Run the action each time the service is back. Ends with the current scope.
 *
 * It runs at most once in RETRY_MS: if the service answers some requests and others not, it seems to be back after each of
 * them, and what the action loads would be requested without end.
 *
 * @param {() => void} action
 */
export function whenReachableAgain(action) {
  let wasReachable = true;
  let earliest = 0;
  let timeout = 0;
  function run() {
    earliest = Date.now() + RETRY_MS;
    action();
  }
  effect(() => {
    if (isReachable.value && !wasReachable) {
      clearTimeout(timeout);
      if (Date.now() >= earliest) run();
      else timeout = window.setTimeout(run, earliest - Date.now());
    }
    wasReachable = isReachable.value;
  });
  onCleanup(() => clearTimeout(timeout));
}

/**
 * Load what the page cannot do without: while the service is away, again and again.
 *
 * @param {() => Promise<void>} load
 */
export async function untilLoaded(load) {
  while (true) {
    try {
      return await load();
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
