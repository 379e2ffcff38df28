// The current time of the service, as signals that tick.

import { computed, signal } from "../lib/signal.js";
import { clockOffset } from "../service_clock.js";
import { dayOf } from "../time/zones.js";
import { zone } from "./profile.js";

/** Return the current instant by the clock of the service, in milliseconds. */
export function now() {
  return Date.now() + clockOffset.peek();
}

/** The current instant. It changes every second. */
export const second = signal(now());

/** The current day in the user's zone. */
export const today = computed(() => dayOf(second.value, zone.value));

/** Return an instant in the form of the API, in whole seconds. @param {number} instant */
export function isoInstant(instant) {
  return new Date(Math.floor(instant / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

setInterval(() => {
  second.value = now();
}, 1000);
