// The address of the current view: "#/today/2026-11-18?by=task" has the name "today" and the rest "2026-11-18".

import { computed, signal } from "./lib/signal.js";

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

/** The current address. */
export const route = computed(() => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/").map(decode);
  return { name, rest: rest.join("/"), query: new URLSearchParams(query) };
});

/**
 * Show another address.
 *
 * @param {string} path For example "today/2026-11-18".
 * @param {{isReplacement?: boolean}} [options] A replacement adds no step to the history of the browser.
 */
export function goTo(path, { isReplacement = false } = {}) {
  if (isReplacement) history.replaceState(null, "", `#/${path}`);
  else history.pushState(null, "", `#/${path}`);
  hash.value = location.hash;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
