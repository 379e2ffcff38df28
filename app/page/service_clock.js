// The clock of the service, as its answers show it.

import { signal } from "./lib/signal.js";

/** The clock of the service minus the clock of this machine, in milliseconds. */
export const clockOffset = signal(0);

/** @param {Response} response */
export function noteClock(response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds: smaller differences say nothing.
  if (Number.isFinite(date) && Math.abs(date + 500 - Date.now() - clockOffset.peek()) > 1500) {
    clockOffset.value = date + 500 - Date.now();
  }
}
