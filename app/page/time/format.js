// Dates, times and numbers in the user's language. Instants are milliseconds since 1970, days are "YYYY-MM-DD".

import { locale } from "../text/index.js";

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * Return a time of day, for example 14:05 or 2:05 PM.
 *
 * @param {number} instant
 * @param {string} zone
 * @param {{hasSeconds?: boolean}} [options]
 */
export function formatTime(instant, zone, { hasSeconds = false } = {}) {
  const second = hasSeconds ? /** @type {const} */ ({ second: "2-digit" }) : {};
  return format({ hour: "numeric", minute: "2-digit", ...second, timeZone: zone }).format(instant);
}

/**
 * Return a date and a time.
 *
 * @param {number} instant
 * @param {string} zone
 */
export function formatDateTime(instant, zone) {
  return format({ dateStyle: "medium", timeStyle: "short", timeZone: zone }).format(instant);
}

/**
 * Return a day in words, for example "Wednesday, 18 November".
 *
 * @param {string} day
 * @param {Intl.DateTimeFormatOptions} [options]
 */
export function formatDay(day, options = { weekday: "long", day: "numeric", month: "long" }) {
  return format({ ...options, timeZone: "UTC" }).format(Date.parse(`${day}T00:00:00Z`));
}

/**
 * @param {number} number
 * @param {Intl.NumberFormatOptions} [options]
 */
export function formatNumber(number, options) {
  return new Intl.NumberFormat(locale(), options).format(number);
}

/** Return the character between the whole and the decimals of a number. */
export function decimalSeparator() {
  const parts = new Intl.NumberFormat(locale()).formatToParts(1.5);
  return parts.find(({ type }) => type === "decimal")?.value ?? ".";
}

/** @param {Intl.DateTimeFormatOptions} options */
function format(options) {
  const name = locale();
  const key = JSON.stringify([name, options]);
  const found = formats.get(key) ?? new Intl.DateTimeFormat(name, options);
  formats.set(key, found);
  return found;
}
