// Time entries: lists across tasks, and changes.

import { addDays } from "../time/zones.js";
import { isoInstant } from "./clock.js";
import { newestFirst, withWaiting } from "./offline/overlay.js";
import { read } from "./offline/snapshots.js";
import { submit, waiting } from "./outgoing.js";
import { forEachParallel } from "./resource.js";

/**
 * @typedef {import("../types").Entry} Entry
 * @typedef {import("../types").ListedEntry} ListedEntry
 *
 * @typedef {object} EntryFields Only what is given changes.
 * @property {number} [startedAt] An instant in milliseconds.
 * @property {number} [endedAt]
 * @property {string | null} [note]
 * @property {string[]} [tags]
 * @property {boolean} [billable]
 * @property {boolean} [needsReview]
 *
 * @typedef {{cursor?: string | null, limit?: number}} Page
 */

const MAX_PAGE = 200;
/** A long range is loaded in at most this many parts. */
const MAX_PARTS = 8;
const SECOND_MS = 1000;

/** @typedef {{from?: number, to?: number, needsReview?: boolean, taskId?: string, q?: string}} Filter Instants. */

/**
 * Return one page of the entries that overlap a time range, the newest first.
 *
 * @param {Filter} filter
 * @param {Page} page
 * @param {AbortSignal} signal
 * @returns {Promise<{items: ListedEntry[], next_cursor: string | null}>}
 */
export async function listEntries(filter, page, signal) {
  const { needsReview, taskId, q, ...range } = filter;
  const stored = await storedEntries(filter, page, signal);
  const isFirst = !page.cursor && !needsReview && !taskId && !q;
  return { ...stored, items: withChanges(stored.items, range, isFirst) };
}

/**
 * Return one page of the entries that the service has stored.
 *
 * @param {Filter} filter
 * @param {Page} page
 * @param {AbortSignal} signal
 * @returns {Promise<{items: ListedEntry[], next_cursor: string | null}>}
 */
function storedEntries({ from, to, needsReview, taskId, q }, { cursor, limit }, signal) {
  const query = {
    from: from === undefined ? null : isoInstant(from),
    to: to === undefined ? null : isoInstant(to),
    needs_review: needsReview ?? null,
    task_id: taskId ?? null,
    q: q ?? null,
    cursor: cursor ?? null,
    limit: limit ?? MAX_PAGE,
  };
  return read("time-entries", query, signal);
}

/**
 * Return the entries with the changes that wait for the service.
 *
 * @param {ListedEntry[]} entries
 * @param {{from?: number, to?: number}} range
 * @param {boolean} hasCreated Whether entries that are created in the range are included.
 */
function withChanges(entries, { from = 0, to = Infinity }, hasCreated) {
  if (waiting.peek().length === 0) return entries;
  const isListed = (/** @type {Entry} */ { started_at, ended_at }) =>
    hasCreated && Date.parse(started_at) < to && Date.parse(ended_at ?? started_at) > from;
  return withWaiting(entries, waiting.peek(), isListed);
}

/**
 * Return all entries that overlap a time range, the newest first.
 *
 * The first page says whether there are more, and how many. The rest of the range is loaded in parts, some at once.
 *
 * @param {number} from
 * @param {number} to
 * @param {AbortSignal} signal
 * @param {(entries: ListedEntry[]) => void} [onfirst] Called with the entries of the first page, if there are more.
 * @returns {Promise<ListedEntry[]>}
 */
export async function entriesBetween(from, to, signal, onfirst) {
  const first = await storedEntries({ from, to }, {}, signal);
  if (!first.next_cursor) return withChanges(first.items, { from, to }, true);
  onfirst?.(withChanges(first.items, { from, to }, true));
  // An entry that overlaps two parts is in both.
  const byId = new Map(first.items.map((entry) => [entry.id, entry]));
  await forEachParallel(partsOf(from, first.items), async (part) => {
    for (const entry of await allPages(part, signal)) byId.set(entry.id, entry);
  });
  return withChanges(newestFirst(byId.values()), { from, to }, true);
}

/**
 * Divide what remains of a range after its first page. The more pages it seems to have, the more parts.
 *
 * @param {number} from
 * @param {ListedEntry[]} page The newest first.
 * @returns {{from: number, to: number}[]} Whole seconds, the newest first.
 */
function partsOf(from, page) {
  const [newest = from, oldest = from] = [page[0], page.at(-1)].map((entry) => Date.parse(entry?.started_at ?? ""));
  // Other entries that begin in the same second can be on the next page.
  const to = Math.max(from, oldest) + SECOND_MS;
  const count = Math.min(MAX_PARTS, Math.max(1, Math.round((to - from) / Math.max(SECOND_MS, newest - oldest))));
  const edge = (/** @type {number} */ part) => from + Math.floor(((to - from) * part) / count / SECOND_MS) * SECOND_MS;
  const parts = Array.from({ length: count }, (_, part) => ({ from: edge(part), to: edge(part + 1) }));
  return parts.filter((part) => part.from < part.to).reverse();
}

/**
 * @param {{from: number, to: number}} range
 * @param {AbortSignal} signal
 */
async function allPages(range, signal) {
  /** @type {ListedEntry[]} */
  const entries = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    const page = await storedEntries(range, { cursor }, signal);
    entries.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return entries;
}

/**
 * Create an entry of a task.
 *
 * @param {{id: string, title: string}} task
 * @param {EntryFields & {startedAt: number, endedAt: number}} fields
 */
export function createEntry(task, fields) {
  return submit({
    method: "POST",
    path: `tasks/${task.id}/time-entries`,
    body: toBody(fields),
    types: ["entry.created"],
    label: task.title,
  });
}

/**
 * Change an entry.
 *
 * @param {Pick<Entry, "id" | "task_id">} entry
 * @param {EntryFields} fields
 * @param {string} label What people read while the change waits.
 */
export function updateEntry(entry, fields, label) {
  return submit({ method: "PATCH", path: entryPath(entry), body: toBody(fields), types: ["entry.updated"], label });
}

/**
 * Delete an entry. `restoreEntry` brings it back for 30 days.
 *
 * @param {Pick<Entry, "id" | "task_id">} entry
 * @param {string} label
 */
export function deleteEntry(entry, label) {
  return submit({ method: "DELETE", path: entryPath(entry), types: ["entry.deleted"], label });
}

/**
 * Bring back a deleted entry or a discarded timer.
 *
 * @param {string} id
 * @param {string} label
 */
export function restoreEntry(id, label) {
  return submit({ method: "POST", path: `time-entries/${id}/restore`, types: ["entry.created"], label });
}

/**
 * Split an entry into two.
 *
 * @param {Pick<Entry, "id" | "task_id">} entry
 * @param {number} at An instant inside the entry.
 * @param {string} label
 */
export function splitEntry(entry, at, label) {
  const path = `${entryPath(entry)}/split`;
  return submit({ method: "POST", path, body: { at: isoInstant(at) }, types: ["entry.created"], label });
}

/**
 * Move an entry to another task.
 *
 * @param {Pick<Entry, "id" | "task_id">} entry
 * @param {string} taskId
 * @param {string} label
 */
export function moveEntry(entry, taskId, label) {
  const path = `${entryPath(entry)}/move`;
  return submit({ method: "POST", path, body: { task_id: taskId }, types: ["entry.updated"], label });
}

/** @param {Pick<Entry, "id" | "task_id">} entry */
function entryPath(entry) {
  return `tasks/${entry.task_id}/time-entries/${entry.id}`;
}

/** @param {EntryFields} fields */
function toBody({ startedAt, endedAt, needsReview, ...rest }) {
  return {
    ...rest,
    ...(startedAt === undefined ? {} : { started_at: isoInstant(startedAt) }),
    ...(endedAt === undefined ? {} : { ended_at: isoInstant(endedAt) }),
    ...(needsReview === undefined ? {} : { needs_review: needsReview }),
  };
}

/**
 * Return the seconds of ended entries of consecutive days.
 *
 * @param {string} first
 * @param {number} count
 * @param {string} zone
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, number>>} Days without tracked time are missing.
 */
export async function secondsByDay(first, count, zone, signal) {
  const query = { from: first, to: addDays(first, count), timezone: zone, group_by: "day" };
  const data = await read("reports/summary", query, signal);
  const rows = /** @type {{key: string, seconds: number}[]} */ (data.rows);
  return new Map(rows.map((row) => [row.key, row.seconds]));
}

/**
 * Return the entries of a week with and without the waiting changes. Loaded once, they are there without the service.
 *
 * @param {{from: number, to: number}} week
 * @param {AbortSignal} signal
 * @returns {Promise<{stored: ListedEntry[], changed: ListedEntry[]} | null>} Null if there are more than a page has.
 */
export async function entriesOfWeek(week, signal) {
  const { items: stored, next_cursor: next } = await storedEntries(week, {}, signal);
  return next ? null : { stored, changed: withChanges(stored, week, true) };
}
