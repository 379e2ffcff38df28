// The entries behind the cells of a timesheet.

import { UnreachableError } from "../../api.js";
import { isoInstant } from "../../store/clock.js";
import { createEntry, entriesBetween } from "../../store/entries.js";
import { addDays, dayOf, instantOf, timeOf } from "../../time/zones.js";

/** @typedef {import("../../types").ListedEntry} ListedEntry */

/**
 * Return the entries of a day, and those of one task among them, the oldest first.
 *
 * @param {{from: number, to: number}} day
 * @param {string} taskId
 * @param {{from: number, to: number}} week While the service is away, what was loaded of this week counts.
 * @returns {Promise<{ofDay: ListedEntry[], ofTask: ListedEntry[]}>}
 */
export async function entriesOfCell({ from, to }, taskId, week) {
  const { signal } = new AbortController();
  const ofDay = await entriesBetween(from, to, signal).catch(async (error) => {
    if (!(error instanceof UnreachableError)) throw error;
    const ofWeek = await entriesBetween(week.from, week.to, signal);
    return ofWeek.filter(({ started_at, ended_at }) => {
      return Date.parse(started_at) < to && (ended_at === null || Date.parse(ended_at) > from);
    });
  });
  ofDay.reverse();
  return { ofDay, ofTask: ofDay.filter((entry) => entry.task_id === taskId) };
}

/**
 * Repeat the entries of another week at the same times of the wall clock. What is there already is not repeated.
 *
 * @param {{from: number, to: number}} source
 * @param {number} days From the source to the week that is filled.
 * @param {string} zone
 * @param {number} latest The service accepts no later end.
 * @returns {Promise<{created: {id: string, task_id: string}[], skipped: number}>}
 */
export async function copyEntries(source, days, zone, latest) {
  const { signal } = new AbortController();
  const shift = days * 86_400_000;
  const existing = await entriesBetween(source.from + shift - 7_200_000, source.to + shift + 7_200_000, signal);
  const keys = new Set(existing.map((entry) => `${entry.task_id} ${entry.started_at}`));
  const result = { created: /** @type {{id: string, task_id: string}[]} */ ([]), skipped: 0 };
  for (const entry of (await entriesBetween(source.from, source.to, signal)).reverse()) {
    const times = shifted(entry, days, zone);
    // An entry that began before the week belongs to the week before.
    if (!times || Date.parse(entry.started_at) < source.from) continue;
    if (times.endedAt > latest || keys.has(`${entry.task_id} ${isoInstant(times.startedAt)}`)) {
      result.skipped += 1;
      continue;
    }
    const { note, tags, billable } = entry;
    const answer = await createEntry(
      { id: entry.task_id, title: entry.task_title },
      { ...times, note, tags, billable },
    );
    if (answer.isSent) result.created.push(answer.data);
  }
  return result;
}

/**
 * @param {ListedEntry} entry
 * @param {number} days
 * @param {string} zone
 */
function shifted(entry, days, zone) {
  if (entry.ended_at === null) return null;
  const started = Date.parse(entry.started_at);
  const day = addDays(dayOf(started, zone), days);
  const startedAt = instantOf(day, timeOf(started, zone, { hasSeconds: true }), zone);
  return { startedAt, endedAt: startedAt + Date.parse(entry.ended_at) - started };
}
