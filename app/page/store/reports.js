// Reports: totals of tracked time, exports, and shares.

import { ApiError, download, request } from "../api.js";
import { dayRange, weekOf, weekRange } from "../time/zones.js";
import { isoInstant, now } from "./clock.js";
import { entriesOfWeek } from "./entries.js";
import { read } from "./offline/snapshots.js";
import { waiting } from "./outgoing.js";

/**
 * @typedef {Record<string, string | number | boolean | string[] | null>} Query The query parameters of a report.
 * @typedef {import("../types").Summary} Summary
 * @typedef {import("../types").Timesheet} Timesheet
 * @typedef {import("../types").ListedEntry} Entry
 * @typedef {import("../types").Share} Share
 */

const DAY_MS = 86_400_000;

/**
 * Load the totals of a range by each of the groups with one request. While the service is away, those of the last answer.
 *
 * @param {Query} query The query parameters of GET /reports/summaries, without the groups.
 * @param {string[]} groups
 * @param {AbortSignal} signal
 * @returns {Promise<Summary>[]}
 */
export function loadSummaries(query, groups, signal) {
  const load = (/** @type {string[]} */ some) => read("reports/summaries", { ...query, group_by: some }, signal);
  const together = load(groups);
  return groups.map(async (group, index) => {
    try {
      return (await together).items[index];
    } catch (error) {
      // The service refuses all of them if one is too large.
      if (!(error instanceof ApiError) || error.status !== 422 || groups.length === 1) throw error;
      return (await load([group])).items[0];
    }
  });
}

/**
 * Return the totals of a range with the parts of entries behind them, and the titles of their tasks.
 *
 * @param {Query} query
 * @param {AbortSignal} signal
 * @returns {Promise<{report: Summary, titles: Map<string, string>}>}
 */
export async function explainSummary(query, signal) {
  const [explained, byTask] = await Promise.all([
    request("GET", "reports/summary", { query: { ...query, explain: true }, signal }),
    request("GET", "reports/summary", { query: { ...query, group_by: "task" }, signal }),
  ]);
  const rows = /** @type {Summary} */ (byTask.data).rows;
  return { report: explained.data, titles: new Map(rows.map((row) => [row.key ?? "", row.label])) };
}

/**
 * Download the entries of a range, clipped to it.
 *
 * @param {"csv" | "xlsx" | "ics"} format
 * @param {Query} query The range and the filters.
 */
export function exportEntries(format, query) {
  return download(`exports/time-entries.${format}`, { query: { ...query, cut: true } });
}

/**
 * Share a report.
 *
 * @param {{name: string, report: Record<string, unknown>, includeNotes: boolean, days: number | null}} share It expires
 *   after this many days, or never.
 * @returns {Promise<Share & {secret: string}>} The secret cannot be read again.
 */
export async function createShare({ name, report, includeNotes, days }) {
  const expires = days === null ? null : isoInstant(now() + days * DAY_MS);
  const body = { name, report, include_notes: includeNotes, expires_at: expires };
  const { data } = await request("POST", "shares", { body });
  return { ...data, secret: data.url.split("/").at(-1) };
}

/**
 * Return all shares, the newest first. There are at most 50.
 *
 * @param {AbortSignal} signal
 * @returns {Promise<Share[]>}
 */
export async function listShares(signal) {
  return (await request("GET", "shares", { query: { limit: 100 }, signal })).data.items;
}

/**
 * Revoke a share. Its link no longer shows anything.
 *
 * @param {string} id
 */
export async function revokeShare(id) {
  await request("DELETE", `shares/${id}`);
}

/**
 * Return a shared report. It needs no account.
 *
 * @param {string} secret
 * @param {AbortSignal} signal
 * @returns {Promise<import("../types").SharedReport>}
 */
export async function loadSharedReport(secret, signal) {
  return (await request("GET", `shared/${encodeURIComponent(secret)}`, { isPublic: true, signal })).data;
}

/**
 * Load the timesheet of a week. While the service is away, that of the last answer with the changes that wait.
 *
 * @param {{day: string, timezone: string, weekStart: number}} week
 * @param {AbortSignal} signal
 * @returns {Promise<import("../types").Timesheet>}
 */
export async function loadTimesheet({ day, timezone, weekStart }, signal) {
  const days = weekOf(day, weekStart).map((each) => dayRange(each, timezone));
  // They are also needed when a duration is typed while the service is away.
  const entries = entriesOfWeek(weekRange(day, weekStart, timezone), signal).catch(() => null);
  const sheet = await read("reports/timesheet", { date: day, timezone, week_start: weekStart }, signal);
  const loaded = waiting.peek().length > 0 ? await entries : null;
  return loaded ? withWaitingTime(sheet, loaded.stored, loaded.changed, days) : sheet;
}

/**
 * Return a timesheet with the waiting changes applied.
 *
 * @param {Timesheet} sheet
 * @param {readonly Entry[]} stored The entries of its days.
 * @param {readonly Entry[]} changed The same with the waiting changes.
 * @param {readonly {from: number, to: number}[]} days
 * @returns {Timesheet}
 */
function withWaitingTime(sheet, stored, changed, days) {
  const rows = new Map(sheet.rows.map((row) => [row.task_id, { ...row, seconds: [...row.seconds] }]));
  /**
   * @param {Entry} entry
   * @param {1 | -1} sign
   */
  function add({ task_id, task_title: title, project_id, started_at, ended_at }, sign) {
    if (ended_at === null) return;
    const [start, end] = [Date.parse(started_at), Date.parse(ended_at)];
    const row = rows.get(task_id) ?? { task_id, title, project_id, seconds: days.map(() => 0), total: 0 };
    row.seconds = days.map(({ from, to }, column) => {
      const length = Math.max(0, Math.floor((Math.min(end, to) - Math.max(start, from)) / 1000));
      return Math.max(0, (row.seconds[column] ?? 0) + sign * length);
    });
    rows.set(task_id, row);
  }
  for (const entry of stored) if (!changed.includes(entry)) add(entry, -1);
  for (const entry of changed) if (!stored.includes(entry)) add(entry, 1);
  return { ...sheet, rows: [...rows.values()] };
}

/**
 * Return the tracked seconds of each project in a time range.
 *
 * @param {{from: string, to: string}} range
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, number>>} By the id of the project.
 */
export async function secondsByProject({ from, to }, signal) {
  const { data } = await request("GET", "reports/summary", { query: { group_by: "project", from, to }, signal });
  return new Map(data.rows.map((/** @type {{key: string, seconds: number}} */ row) => [row.key, row.seconds]));
}
