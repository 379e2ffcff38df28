// What is listed as it will be when the waiting changes have been sent.

/**
 * @typedef {import("../../types").ListedEntry} Entry
 * @typedef {import("../outgoing.js").QueuedChange} QueuedChange
 */

const ENTRY = /^tasks\/([^/]+)\/time-entries(?:\/([^/]+))?(?:\/(split|move))?$/;
const RESTORED = /^time-entries\/([^/]+)\/restore$/;
const ITEM = /^(tasks|projects)\/([^/]+)(?:\/(restore))?$/;

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
  const deleted = /** @type {Map<string, Entry>} */ (new Map());
  for (const queued of waiting) {
    const { method, path, body = {}, label } = queued.change;
    const [, taskId, entryId = "", action] = ENTRY.exec(path) ?? [];
    const entry = result.get(entryId);
    const restored = deleted.get(RESTORED.exec(path)?.[1] ?? "");
    if (method === "POST" && taskId && !entryId) {
      const created = fromBody(queued, taskId, entries);
      if (isListed(created)) result.set(created.id, created);
    } else if (restored) result.set(restored.id, restored);
    else if (!entry) continue;
    else if (method === "PATCH") result.set(entryId, merge(entry, body));
    else if (method === "DELETE") {
      deleted.set(entryId, entry);
      result.delete(entryId);
    } else if (action === "move") {
      const moved = {
        task_id: String(body.task_id),
        task_title: label,
        project_id: projectOf(String(body.task_id), entries),
      };
      result.set(entryId, { ...entry, ...moved });
    } else if (action === "split") {
      result.set(entryId, merge(entry, { ended_at: body.at }));
      result.set(queued.id, merge({ ...entry, id: queued.id }, { started_at: body.at }));
    }
  }
  return newestFirst(result.values());
}

/**
 * Return tasks or projects with the waiting changes applied.
 *
 * @template {{id: string}} T
 * @param {"tasks" | "projects"} collection
 * @param {readonly T[]} items
 * @param {readonly QueuedChange[]} waiting The oldest first.
 * @returns {T[]}
 */
export function withWaitingItems(collection, items, waiting) {
  const result = new Map(items.map((item) => [item.id, item]));
  /** Those that leave the list: deleted, or restored from a list of deleted ones. A second change brings them back. */
  const gone = new Set();
  for (const { change } of waiting) {
    const [, kind, id = "", action] = ITEM.exec(change.path) ?? [];
    const item = result.get(id);
    if (kind !== collection || !item) continue;
    if (change.method === "PATCH") result.set(id, { ...item, ...change.body });
    else if (change.method === "DELETE" || action) {
      if (!gone.delete(id)) gone.add(id);
    }
  }
  return [...result.values()].filter(({ id }) => !gone.has(id));
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
 * @param {readonly Entry[]} others
 * @returns {Entry}
 */
function fromBody({ id, createdAt, change }, taskId, others) {
  const instant = new Date(createdAt).toISOString();
  const created = /** @type {Entry} */ ({
    id,
    task_id: taskId,
    task_title: change.label,
    task_version: 0,
    project_id: projectOf(taskId, others),
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

/**
 * Return the project of a task, if the list has another entry of it.
 *
 * @param {string} taskId
 * @param {readonly Entry[]} entries
 */
function projectOf(taskId, entries) {
  return entries.find((entry) => entry.task_id === taskId)?.project_id ?? null;
}

/** @param {{started_at: string, ended_at: string | null}} entry */
function seconds({ started_at, ended_at }) {
  return ended_at === null ? null : Math.floor((Date.parse(ended_at) - Date.parse(started_at)) / 1000);
}
