// What changed: views that show changed things load them again.

import { onCleanup } from "../lib/signal.js";

/** @typedef {(types: Set<string>) => void} Listener */

/** One change of each kind. */
export const ALL = [
  "timer.updated",
  "entry.updated",
  "task.updated",
  "project.updated",
  "user.updated",
  "import.finished",
];

/** @type {Set<Listener>} */
const listeners = new Set();

/** @type {Set<string>} */
let announced = new Set();

/**
 * Call a listener after changes, until the current scope ends.
 *
 * Changes of the same moment are one call. The types are those of the change feed ("entry.created"); a listener names
 * their first parts ("entry", "task", "timer", "project", "user", "import").
 *
 * @param {readonly string[]} kinds
 * @param {Listener} listener
 */
export function onChange(kinds, listener) {
  /** @type {Listener} */
  const filtered = (types) => {
    if ([...types].flatMap(kindsOf).some((kind) => kinds.includes(kind))) listener(types);
  };
  listeners.add(filtered);
  onCleanup(() => listeners.delete(filtered));
}

/**
 * Report changes.
 *
 * @param {...string} types
 */
export function announce(...types) {
  // Not a microtask: what an action announces after several answers is one call.
  if (announced.size === 0 && types.length > 0) setTimeout(flush);
  for (const type of types) announced.add(type);
}

/** The kinds of changes that each of the last requests of this tab has announced. @type {Map<string, Set<string>>} */
const announcedBy = new Map();
const MAX_REQUESTS = 200;

/**
 * Report the changes of a request of this tab. The event stream brings them again: that is no news then.
 *
 * @param {string | null} requestId
 * @param {readonly string[]} types
 */
export function announceAnswer(requestId, types) {
  if (requestId) announcedBy.set(requestId, new Set(types.map(kindOf)));
  const [oldest] = announcedBy.keys();
  if (oldest && announcedBy.size > MAX_REQUESTS) announcedBy.delete(oldest);
  announce(...types);
}

/** @typedef {{type: string, requestId: string | null}} Event A change, and the request that caused it if that is known. */

/**
 * Report what the event stream has brought.
 *
 * @param {readonly Event[]} events
 */
export function announceEvents(events) {
  const isNews = (/** @type {Event} */ { type, requestId }) => !announcedBy.get(requestId ?? "")?.has(kindOf(type));
  announce(...events.filter(isNews).map(({ type }) => type));
}

/** @param {string} type */
function kindOf(type) {
  return type.split(".")[0] ?? "";
}

/** Tags are part of tasks, entries and the timer. A rename in many of them is a single event. @param {string} type */
function kindsOf(type) {
  return type === "tag.renamed" ? ["task", "entry", "timer"] : [kindOf(type)];
}

function flush() {
  const types = announced;
  announced = new Set();
  for (const listener of [...listeners]) listener(types);
}

/** Report that everything may have changed. */
export function announceAll() {
  announce(...ALL);
}
