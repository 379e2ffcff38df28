// The ranges of days that a report can have.

import { addDays, weekOf } from "../../time/zones.js";

export const RANGES = [
  "today",
  "yesterday",
  "this_week",
  "last_week",
  "this_month",
  "last_month",
  "quarter",
  "year",
  "custom",
];

const DAY = /^\d{4}-\d\d-\d\d$/;

/**
 * Return whether a text is a day of the calendar.
 *
 * @param {string} text
 */
export function isDay(text) {
  const instant = DAY.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isFinite(instant) && new Date(instant).toISOString().startsWith(text);
}

/**
 * Return the first and the last day of a range.
 *
 * @param {{range: string, from: string, to: string}} state
 * @param {string} today
 * @param {number} weekStart 0 (Monday) to 6 (Sunday)
 * @returns {{first: string, last: string}}
 */
export function rangeOf({ range, from, to }, today, weekStart) {
  const yesterday = addDays(today, -1);
  switch (range) {
    case "today":
      return { first: today, last: today };
    case "yesterday":
      return { first: yesterday, last: yesterday };
    case "last_week":
      return weekWith(addDays(today, -7), weekStart);
    case "this_month":
      return months(today, 1);
    case "last_month":
      return months(addDays(`${today.slice(0, 7)}-01`, -1), 1);
    case "quarter":
      return months(today, 3);
    case "year":
      return months(today, 12);
    case "custom":
      return { first: from, last: to };
    default:
      return weekWith(today, weekStart);
  }
}

/**
 * Return the number of days of a range.
 *
 * @param {{first: string, last: string}} range
 */
export function daysIn({ first, last }) {
  return Math.round((Date.parse(last) - Date.parse(first)) / 86_400_000) + 1;
}

/**
 * @param {string} day
 * @param {number} weekStart
 */
function weekWith(day, weekStart) {
  const [first = day] = weekOf(day, weekStart);
  return { first, last: addDays(first, 6) };
}

/**
 * Return the period of this many months that holds a day. Periods begin in January.
 *
 * @param {string} day
 * @param {number} count
 */
function months(day, count) {
  const [year, month] = [Number(day.slice(0, 4)), Number(day.slice(5, 7)) - 1];
  const begin = month - (month % count);
  const toDay = (/** @type {number} */ instant) => new Date(instant).toISOString().slice(0, 10);
  return { first: toDay(Date.UTC(year, begin, 1)), last: toDay(Date.UTC(year, begin + count, 0)) };
}
