// The days of the calendar grid. A day is as long as its hours: 23 or 25 when the clock changes. All functions are pure.

import { addDays, dayRange, offset } from "../../time/zones.js";

/**
 * @typedef {object} Mark A line of the grid.
 * @property {number} at An instant in milliseconds.
 * @property {boolean} isRepeated Whether the wall clock shows this time for the second time of the day.
 * @property {boolean} isChange Whether the clock changes here.
 *
 * @typedef {object} Day
 * @property {string} day "YYYY-MM-DD"
 * @property {number} from The first instant.
 * @property {number} to The first instant after it.
 * @property {boolean} isChanged Whether the clock changes on this day.
 * @property {Mark[]} marks The full hours of the wall clock, and the clock change.
 */

export const HOUR_MS = 3_600_000;
const SECOND_MS = 1000;

/**
 * Return consecutive days.
 *
 * @param {string} first
 * @param {number} count
 * @param {string} zone
 * @returns {Day[]}
 */
export function daysFrom(first, count, zone) {
  return Array.from({ length: count }, (_, index) => {
    const day = addDays(first, index);
    const { from, to } = dayRange(day, zone);
    const change = to > from ? clockChange(from, to, zone) : null;
    return { day, from, to, isChanged: change !== null, marks: marksOf(from, to, change, zone) };
  });
}

/**
 * Return the instant from which another offset applies, or null without a clock change.
 *
 * @param {number} from
 * @param {number} to
 * @param {string} zone
 */
function clockChange(from, to, zone) {
  const before = offset(from, zone);
  if (before === offset(to - SECOND_MS, zone)) return null;
  let [low, high] = [from, to];
  while (high - low > SECOND_MS) {
    const middle = Math.floor((low + high) / 2 / SECOND_MS) * SECOND_MS;
    if (offset(middle, zone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number | null} change
 * @param {string} zone
 * @returns {Mark[]}
 */
function marksOf(from, to, change, zone) {
  const before = offset(from, zone);
  const first = hoursBetween(from, change ?? to, before);
  if (change === null) return first.map((at) => ({ at, isRepeated: false, isChange: false }));
  const after = offset(change, zone);
  const second = hoursBetween(change, to, after);
  if (second[0] !== change) second.unshift(change);
  // A clock that is put back shows the times again that it has shown since then.
  const isRepeated = (/** @type {number} */ at) => at + after < change + before;
  return [
    ...first.map((at) => ({ at, isRepeated: false, isChange: false })),
    ...second.map((at) => ({ at, isRepeated: isRepeated(at), isChange: at === change })),
  ];
}

/**
 * Return the full hours of the wall clock in [from, to).
 *
 * @param {number} from
 * @param {number} to
 * @param {number} difference Local time minus UTC, in milliseconds.
 */
function hoursBetween(from, to, difference) {
  const hours = [];
  for (let local = Math.ceil((from + difference) / HOUR_MS) * HOUR_MS; local - difference < to; local += HOUR_MS) {
    hours.push(local - difference);
  }
  return hours;
}
