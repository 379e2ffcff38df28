// When did the work really end? Suggestions for an entry that needs review, each with its reason.

import { dayOf, instantOf, timeOf } from "../../../time/zones.js";

/**
 * @typedef {{startedAt: number, endedAt: number}} Span
 * @typedef {Span & {taskId: string, title: string}} Entry
 * @typedef {"next" | "previous" | "usual" | "day_end" | "default_day_end" | "hour"} Reason
 * @typedef {Span & {reason: Reason, title: string, seconds: number}} Suggestion `title` is that of the other entry.
 */

const HOUR_MS = 3_600_000;
/** Work that begins this long after the start of another is no evidence that the other has ended. */
const MIN_LENGTH_MS = 60_000;
const MIN_USUAL_ENTRIES = 2;
const MIN_USUAL_DAYS = 3;
const DEFAULT_DAY_END = "17:00";

/**
 * Return what the entry may really have been, the best suggestion first.
 *
 * A timer that ran too long ended when the next work began, or after the usual time of its task: the earlier one. The
 * end of the working day is as good if the task has no usual time, and the last resort otherwise. An entry that overlaps
 * others lies between them.
 *
 * @param {Entry} entry
 * @param {object} context
 * @param {readonly Entry[]} context.others Other entries before, during and after it.
 * @param {boolean} context.isTooLong Whether it ran longer than the limit.
 * @param {string} context.zone
 * @returns {Suggestion[]}
 */
export function suggest(entry, { others, isTooLong, zone }) {
  const between = [...afterPrevious(entry, others), ...beforeNext(entry, others)];
  if (!isTooLong) return between;
  const usual = usualLength(entry, others);
  const known = [...between, ...usual].sort((a, b) => a.endedAt - b.endedAt);
  const dayEnd = endOfDay(entry, others, zone);
  if (usual.length > 0) return [...known, ...dayEnd];
  const all = [...known, ...dayEnd].sort((a, b) => a.endedAt - b.endedAt);
  return all.length > 0 ? all : inside(entry, { endedAt: entry.startedAt + HOUR_MS, reason: "hour" });
}

/** @param {Entry} entry @param {readonly Entry[]} others */
function beforeNext(entry, others) {
  const next = others
    .filter((each) => each.startedAt >= entry.startedAt + MIN_LENGTH_MS && each.startedAt < entry.endedAt)
    .sort((a, b) => a.startedAt - b.startedAt)[0];
  return next ? inside(entry, { endedAt: next.startedAt, reason: "next", title: next.title }) : [];
}

/** @param {Entry} entry @param {readonly Entry[]} others */
function afterPrevious(entry, others) {
  const previous = others
    .filter((each) => each.startedAt <= entry.startedAt && each.endedAt > entry.startedAt)
    .sort((a, b) => b.endedAt - a.endedAt)[0];
  if (!previous) return [];
  return inside(entry, { startedAt: previous.endedAt, reason: "previous", title: previous.title });
}

/** @param {Entry} entry @param {readonly Entry[]} others */
function usualLength(entry, others) {
  const lengths = others
    .filter((each) => each.taskId === entry.taskId && each.endedAt > each.startedAt)
    .map((each) => each.endedAt - each.startedAt);
  if (lengths.length < MIN_USUAL_ENTRIES) return [];
  return inside(entry, { endedAt: entry.startedAt + median(lengths), reason: "usual" });
}

/** @param {Entry} entry @param {readonly Entry[]} others @param {string} zone */
function endOfDay(entry, others, zone) {
  /** @type {Map<string, number>} */
  const lastEnds = new Map();
  for (const { endedAt } of others) {
    const day = dayOf(endedAt, zone);
    lastEnds.set(day, Math.max(lastEnds.get(day) ?? 0, endedAt));
  }
  const times = [...lastEnds.values()].map((instant) => minutesOf(timeOf(instant, zone)));
  const isKnown = times.length >= MIN_USUAL_DAYS;
  const time = isKnown ? timeFrom(median(times)) : DEFAULT_DAY_END;
  const endedAt = instantOf(dayOf(entry.startedAt, zone), time, zone);
  return inside(entry, { endedAt, reason: isKnown ? "day_end" : "default_day_end" });
}

/**
 * Return the suggestion, if it makes the entry shorter.
 *
 * @param {Entry} entry
 * @param {{startedAt?: number, endedAt?: number, reason: Reason, title?: string}} change
 * @returns {Suggestion[]}
 */
function inside(entry, { startedAt = entry.startedAt, endedAt = entry.endedAt, reason, title = "" }) {
  const seconds = Math.floor((endedAt - startedAt) / 1000);
  const isShorter = startedAt >= entry.startedAt && endedAt <= entry.endedAt && seconds > 0;
  return isShorter ? [{ startedAt, endedAt, reason, title, seconds }] : [];
}

/** @param {number[]} numbers At least one. */
function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

/** @param {string} time */
function minutesOf(time) {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}

/** @param {number} minutes */
function timeFrom(minutes) {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
