// How a drag or a key changes the times of an entry. All functions are pure. Instants and lengths are milliseconds.

import { addDays, dayOf, instantOf, offset, timeOf } from "../../time/zones.js";

/** @typedef {{from: number, to: number}} Range */

const MINUTE_MS = 60_000;

/**
 * Return the multiple of the step by the wall clock that is nearest to an instant, or the last one before it.
 *
 * @param {number} instant
 * @param {number} step
 * @param {string} zone
 * @param {(value: number) => number} [round]
 */
export function snap(instant, step, zone, round = Math.round) {
  const difference = offset(instant, zone);
  return round((instant + difference) / step) * step - difference;
}

/**
 * Return the range between two points of the grid. It covers one step at least.
 *
 * @param {number} origin Where the drag has begun.
 * @param {number} pointer
 * @param {number} step
 * @param {string} zone
 * @returns {Range}
 */
export function rangeBetween(origin, pointer, step, zone) {
  const start = snap(origin, step, zone, Math.floor);
  if (pointer < start) return { from: snap(pointer, step, zone), to: start + step };
  return { from: start, to: Math.max(start + step, snap(pointer, step, zone)) };
}

/**
 * Return the range moved to another start. Its length stays.
 *
 * @param {Range} range
 * @param {number} from
 * @returns {Range}
 */
export function movedTo(range, from) {
  return { from, to: from + range.to - range.from };
}

/**
 * Return the range moved by days. The start keeps its time of the wall clock, the range its length.
 *
 * @param {Range} range
 * @param {number} days
 * @param {string} zone
 * @returns {Range}
 */
export function movedByDays(range, days, zone) {
  const day = addDays(dayOf(range.from, zone), days);
  return movedTo(range, instantOf(day, timeOf(range.from, zone, { hasSeconds: true }), zone));
}

/**
 * Return the range with another start. A step of it remains, or what it was when that is less.
 *
 * @param {Range} range
 * @param {number} from
 * @param {number} step
 * @returns {Range}
 */
export function withStart(range, from, step) {
  return { from: Math.min(from, range.to - shortest(range, step)), to: range.to };
}

/**
 * Return the range with another end. A step of it remains, or what it was when that is less.
 *
 * @param {Range} range
 * @param {number} to
 * @param {number} step
 * @returns {Range}
 */
export function withEnd(range, to, step) {
  return { from: range.from, to: Math.max(to, range.from + shortest(range, step)) };
}

/**
 * @param {Range} range
 * @param {number} step
 */
function shortest(range, step) {
  return Math.max(MINUTE_MS, Math.min(step, range.to - range.from));
}
