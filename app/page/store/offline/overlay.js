// Lists of entries as they will be when the waiting changes have been sent.

/**
 * @typedef {import("../../types").ListedEntry} Entry
 * @typedef {import("../outgoing.js").QueuedChange} QueuedChange
 */

const ENTRY = /^tasks\/([^/]+)\/time-entries(?:\/([^/]+))?$/;

/**
 * Return the entries with the waiting changes applied.
 *
 * @param {readonly Entry[]} entries
 * @param {readonly QueuedChange[]} waiting The oldest first.
 * @param {(entry: Entry) => boolean} isListed Whether an entry that is created belongs to the list.
 * @returns {Entry[]}
 */
export function withWaiting(entries, waiting, isListed) {
  const result = new Map(entries.map((entry) => [entry.id, entry]));
  for (const queued of waiting) {
    const { method, path, body } = queued.change;
    const [, taskId, entryId] = ENTRY.exec(path) ?? [];
    const entry = entryId === undefined ? undefined : result.get(entryId);
    if (method === "POST" && taskId && !entryId) {
      const created = fromBody(queued, taskId);
      if (isListed(created)) result.set(created.id, created);
    } else if (method === "PATCH" && entry) result.set(entry.id, merge(entry, body ?? {}));
    else if (method === "DELETE" && entry) result.delete(entry.id);
  }
  return newestFirst(result.values());
}

/**
 * Return the entries in the order of a list.
 *
 * @template {Entry} T
 * @param {Iterable<T>} entries
 */
export function newestFirst(entries) {
  return [...entries].sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at));
}

/**
 * @param {Entry} entry
 * @param {Record<string, unknown>} body
 * @returns {Entry}
 */
function merge(entry, body) {
  const merged = { ...entry, ...body };
  return { ...merged, duration_seconds: seconds(merged) };
}

/**
 * @param {QueuedChange} queued
 * @param {string} taskId
 * @returns {Entry}
 */
function fromBody({ id, createdAt, change }, taskId) {
  const instant = new Date(createdAt).toISOString();
  const created = /** @type {Entry} */ ({
    id,
    task_id: taskId,
    task_title: change.label,
    task_version: 0,
    project_id: null,
    started_at: instant,
    ended_at: null,
    duration_seconds: null,
    note: null,
    tags: [],
    billable: false,
    source: "manual",
    timezone: "UTC",
    needs_review: false,
    hourly_rate: null,
    created_at: instant,
    updated_at: instant,
    ...change.body,
  });
  return { ...created, duration_seconds: seconds(created) };
}

/** @param {{started_at: string, ended_at: string | null}} entry */
function seconds({ started_at, ended_at }) {
  return ended_at === null ? null : Math.floor((Date.parse(ended_at) - Date.parse(started_at)) / 1000);
}
