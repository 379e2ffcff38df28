// What a duration that is typed into a cell changes. Pure: no tracked time is lost without a question.

import { instantOf } from "../../time/zones.js";

/**
 * @typedef {import("../../types").ListedEntry} ListedEntry
 *
 * @typedef {{kind: "none"}
 *   | {kind: "create", from: number, to: number}
 *   | {kind: "shorten", entry: ListedEntry, to: number}
 *   | {kind: "delete", entry: ListedEntry}
 *   | {kind: "ask", entries: ListedEntry[], excess: number}} Plan `excess` is in seconds.
 */

const FIRST_START = "09:00";

/**
 * Return what has to change so that the task has these seconds on this day.
 *
 * More time becomes an entry after the last one of the day. Less time shortens the only entry, or asks.
 *
 * @param {object} cell
 * @param {string} cell.day
 * @param {{from: number, to: number}} cell.range The day.
 * @param {ListedEntry[]} cell.ofDay All entries of the day.
 * @param {ListedEntry[]} cell.ofTask
 * @param {number} seconds
 * @param {{zone: string, now: number}} context
 * @returns {Plan}
 */
export function planChange({ day, range, ofDay, ofTask }, seconds, { zone, now }) {
  const spans = ofTask.map((entry) => within(entry, range, now));
  const current = spans.reduce((sum, { from, to }) => sum + Math.floor((to - from) / 1000), 0);
  const difference = seconds - current;
  if (difference === 0) return { kind: "none" };
  if (difference > 0) return placed(difference * 1000, day, range, ofDay, { zone, now });
  const [entry] = ofTask;
  const isOnly = ofTask.length === 1 && entry && isInside(entry, range);
  if (!isOnly) return { kind: "ask", entries: ofTask, excess: -difference };
  if (seconds === 0) return { kind: "delete", entry };
  return { kind: "shorten", entry, to: Date.parse(entry.started_at) + seconds * 1000 };
}

/**
 * @param {number} length
 * @param {string} day
 * @param {{from: number, to: number}} range
 * @param {ListedEntry[]} ofDay
 * @param {{zone: string, now: number}} context
 * @returns {Plan}
 */
function placed(length, day, range, ofDay, { zone, now }) {
  const ends = ofDay.map((entry) => within(entry, range, now).to);
  const start = ends.length > 0 ? Math.max(...ends) : instantOf(day, FIRST_START, zone);
  // What does not fit before midnight ends at midnight, and stays on its day.
  const from = Math.max(range.from, Math.min(start, range.to - length));
  return { kind: "create", from, to: from + length };
}

/**
 * Return the part of an entry that belongs to a day.
 *
 * @param {ListedEntry} entry
 * @param {{from: number, to: number}} range
 * @param {number} now
 */
function within(entry, range, now) {
  const end = entry.ended_at === null ? now : Date.parse(entry.ended_at);
  const from = Math.max(range.from, Date.parse(entry.started_at));
  return { from, to: Math.max(from, Math.min(range.to, end)) };
}

/**
 * Return whether an entry has ended and belongs to one day only: then its end can be changed without loss on another day.
 *
 * @param {ListedEntry} entry
 * @param {{from: number, to: number}} range
 */
function isInside({ started_at, ended_at }, { from, to }) {
  return ended_at !== null && Date.parse(started_at) >= from && Date.parse(ended_at) <= to;
}
