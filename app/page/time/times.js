// Times of day as people type them.

import { addDays, dayOf, instantOf, timeOf } from "./zones.js";

const HALF_DAY_MS = 43_200_000;

/** 9, 930, 9:30, 9.30, 9h30, 9:30:15, each with am or pm. */
const TIME = /^(\d{1,2})(?:\s*[:.h]\s*(\d{1,2})?|(\d{2}))?(?:\s*[:.]\s*(\d{2}))?\s*(?:(a|p)\.?\s?m?\.?|uhr)?$/;

/**
 * Parse a time of day.
 *
 * @param {string} text
 * @returns {string | null} "HH:MM:SS", or null when the text is no time.
 */
export function parseTime(text) {
  const parts = TIME.exec(text.trim().toLowerCase());
  if (!parts) return null;
  const [, hours, separated, joined, seconds, half] = parts;
  const [minute, second] = [Number(separated ?? joined ?? 0), Number(seconds ?? 0)];
  let hour = Number(hours);
  if (half && (hour < 1 || hour > 12)) return null;
  if (half) hour = (hour % 12) + (half === "p" ? 12 : 0);
  if (hour > 23 || minute > 59 || second > 59) return null;
  return [hour, minute, second].map((number) => String(number).padStart(2, "0")).join(":");
}

/**
 * Return the instant that a person means who types a time over another one.
 *
 * It is on the same day or at most twelve hours away, so that an entry can be moved past midnight.
 *
 * @param {string} time
 * @param {object} options
 * @param {number} options.near The instant that the field shows.
 * @param {string} options.zone
 * @param {(instant: number) => boolean} options.isAllowed
 * @returns {number | null} Null when no such instant is allowed.
 */
export function instantNear(time, { near, zone, isAllowed }) {
  const day = dayOf(near, zone);
  const distance = (/** @type {number} */ instant) => Math.abs(instant - near);
  const candidates = [-1, 0, 1].flatMap((days) => instantsOf(addDays(day, days), time, zone));
  const allowed = candidates.filter(
    (instant) => isAllowed(instant) && (distance(instant) <= HALF_DAY_MS || dayOf(instant, zone) === day),
  );
  return allowed.sort((a, b) => distance(a) - distance(b))[0] ?? null;
}

/**
 * Return the last instant of a time of day that is not after another instant.
 *
 * @param {string} time
 * @param {number} now
 * @param {string} zone
 */
export function lastInstant(time, now, zone) {
  const today = dayOf(now, zone);
  const candidates = [-1, 0].flatMap((days) => instantsOf(addDays(today, days), time, zone));
  return Math.max(...candidates.filter((instant) => instant <= now));
}

/**
 * Return whether a time has the minute that an instant shows.
 *
 * @param {string} time
 * @param {number} instant
 * @param {string} zone
 */
export function isShownTime(time, instant, zone) {
  return time === `${timeOf(instant, zone)}:00`;
}

/**
 * A clock change can repeat a time of day.
 *
 * @param {string} day
 * @param {string} time
 * @param {string} zone
 */
function instantsOf(day, time, zone) {
  return [instantOf(day, time, zone), instantOf(day, time, zone, { isLater: true })];
}
