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
    if ([...types].some((type) => kinds.includes(type.split(".")[0] ?? ""))) listener(types);
  };
  listeners.add(filtered);
  onCleanup(() => listeners.delete(filtered));
}

/**
 * Report changes: this tab's own, or those that the event stream brought.
 *
 * @param {...string} types
 */
export function announce(...types) {
  if (announced.size === 0) queueMicrotask(flush);
  for (const type of types) announced.add(type);
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
