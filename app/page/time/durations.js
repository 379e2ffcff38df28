// Durations as people type and read them.

const UNITS = { h: 3600, m: 60, s: 1 };

/** A bare whole number up to this many is hours, a larger one is minutes: "8" is a day's work, "90" an hour and a half. */
const MAX_BARE_HOURS = 12;

const CLOCK = /^(\d{1,4}):([0-5]?\d)(?::([0-5]\d))?$/;
const DECIMAL = /^(\d{0,4})[.,](\d{1,4})\s*h?$/;
const WITH_UNITS = /^(?:(\d{1,4})\s*h)?\s*(?:(\d{1,5})\s*m(?:in)?)?\s*(?:(\d{1,6})\s*s)?$/;
const HOURS_AND_MINUTES = /^(\d{1,4})\s*h\s*([0-5]?\d)$/;

/**
 * Parse a duration: 1:30, 1:30:15, 1.5, 1,5, 1h30, 1h 30m, 90m, 90.
 *
 * @param {string} text
 * @returns {number | null} Seconds, or null when the text is no duration.
 */
export function parseDuration(text) {
  const value = text.trim().toLowerCase();
  if (value === "") return null;
  if (/^\d{1,5}$/.test(value)) {
    const number = Number(value);
    return number * (number <= MAX_BARE_HOURS ? UNITS.h : UNITS.m);
  }
  const clock = CLOCK.exec(value);
  if (clock) return Number(clock[1]) * UNITS.h + Number(clock[2]) * UNITS.m + Number(clock[3] ?? 0);
  const decimal = DECIMAL.exec(value);
  if (decimal) return Math.round(Number(`${decimal[1] || 0}.${decimal[2]}`) * UNITS.h);
  const short = HOURS_AND_MINUTES.exec(value);
  if (short) return Number(short[1]) * UNITS.h + Number(short[2]) * UNITS.m;
  const units = WITH_UNITS.exec(value);
  if (!units) return null;
  return Number(units[1] ?? 0) * UNITS.h + Number(units[2] ?? 0) * UNITS.m + Number(units[3] ?? 0);
}

/**
 * Return "H:MM". Seconds are cut off, so that a sum of shown values never exceeds the shown sum.
 *
 * @param {number} seconds
 */
export function formatHours(seconds) {
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}`;
}

/**
 * Return "H:MM:SS".
 *
 * @param {number} seconds
 */
export function formatClock(seconds) {
  return `${formatHours(seconds)}:${two(Math.floor(seconds) % 60)}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}
