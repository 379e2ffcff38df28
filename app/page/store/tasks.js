// Tasks: search, changes, and the tags for completion.

import { newKey, request } from "../api.js";
import { signal } from "../lib/signal.js";
import { announce, onChange } from "./changes.js";
import { withWaitingItems } from "./offline/overlay.js";
import { read } from "./offline/snapshots.js";
import { submit, waiting } from "./outgoing.js";

/** @typedef {import("../types").Task} Task */

/**
 * Find tasks by a part of their title.
 *
 * @param {string} text
 * @param {AbortSignal} [signal]
 * @returns {Promise<Task[]>} At most ten.
 */
export async function findTasks(text, signal) {
  const { data } = await request("GET", "tasks", { query: { q: text, limit: 10 }, signal });
  return data.items;
}

/**
 * Return the newest task with exactly this title, if there is one. Many others can contain the same text.
 *
 * @param {string} title
 * @param {AbortSignal} [signal]
 * @returns {Promise<Task | undefined>}
 */
export async function findTask(title, signal) {
  let [task, cursor] = [/** @type {Task | undefined} */ (undefined), null];
  do {
    const { data } = await request("GET", "tasks", { query: { q: title, limit: 200, cursor }, signal });
    task = data.items.find((/** @type {Task} */ each) => each.title === title);
    cursor = data.next_cursor;
  } while (!task && cursor);
  return task;
}

/**
 * Return a page of tasks.
 *
 * @param {Record<string, string | string[] | boolean | null>} query The query parameters of GET /tasks.
 * @param {{cursor: string | null, limit: number}} page
 * @param {AbortSignal} signal
 * @returns {Promise<{items: Task[], next_cursor: string | null}>}
 */
export async function listTasks(query, page, signal) {
  const listed = await read("tasks", { ...query, ...page }, signal);
  return { ...listed, items: withWaitingItems("tasks", listed.items, waiting.peek()) };
}

/**
 * Return a task with its newest entries.
 *
 * @param {string} id
 * @returns {Promise<Task & {time_entries: import("../types").Entry[]}>}
 */
export async function loadTask(id) {
  const stored = await read(`tasks/${id}`);
  // While its deletion waits it is in no list, but can be open.
  const [task = stored] = withWaitingItems("tasks", [stored], waiting.peek());
  return task;
}

/**
 * Change a task.
 *
 * @param {Pick<Task, "id" | "title">} task
 * @param {Record<string, unknown>} fields Merged as JSON merge patch.
 * @param {{version?: number}} [options] With a version, any other one is refused with 412.
 */
export async function updateTask(task, fields, { version } = {}) {
  return submit({
    method: "PATCH",
    path: `tasks/${task.id}`,
    body: fields,
    types: ["task.updated"],
    label: task.title,
    ...(version === undefined ? {} : { ifMatch: `"${version}"` }),
  });
}

/**
 * Create a task.
 *
 * @param {{title: string, project_id?: string | null}} fields
 * @returns {Promise<Task>}
 */
export async function createTask(fields) {
  const { data } = await request("POST", "tasks", { body: fields, key: newKey() });
  announce("task.created");
  return data;
}

/**
 * Move a task to the trash. `restoreTask` brings it back.
 *
 * @param {Pick<Task, "id" | "title">} task
 */
export async function trashTask(task) {
  return submit({ method: "DELETE", path: `tasks/${task.id}`, types: ["task.deleted", "timer"], label: task.title });
}

/**
 * Bring a task back from the trash.
 *
 * @param {Pick<Task, "id" | "title">} task
 */
export async function restoreTask(task) {
  return submit({ method: "POST", path: `tasks/${task.id}/restore`, types: ["task.restored"], label: task.title });
}

/** The service takes this many operations in a request. */
const MAX_OPERATIONS = 100;

/** @typedef {{op: "update", task_id: string, body: Record<string, unknown>} | {op: "delete", task_id: string}} Operation */

/**
 * Change many tasks, each for itself.
 *
 * @param {Operation[]} operations
 * @returns {Promise<{changed: number, problems: string[]}>} The number of changed tasks, and why others were not.
 */
export async function changeTasks(operations) {
  /** @type {string[]} */
  const problems = [];
  try {
    for (let first = 0; first < operations.length; first += MAX_OPERATIONS) {
      const body = { operations: operations.slice(first, first + MAX_OPERATIONS) };
      const { data } = await request("POST", "tasks/bulk", { body, key: newKey() });
      for (const { problem } of data.results) if (problem) problems.push(problem.detail ?? problem.title);
    }
  } finally {
    announce("task.updated", "timer");
  }
  return { changed: operations.length - problems.length, problems };
}

/** The tags, for completion. */
export const knownTags = signal(/** @type {string[]} */ ([]));

let areTagsCurrent = false;

onChange(["task", "entry", "timer", "import"], () => {
  areTagsCurrent = false;
});

/** Load the tags, unless nothing has changed since. Without an answer they stay as they are. */
export async function loadTags() {
  if (areTagsCurrent) return;
  areTagsCurrent = true;
  try {
    const { data } = await request("GET", "tags", { query: { limit: 200 } });
    knownTags.value = data.items.map((/** @type {{name: string}} */ tag) => tag.name);
  } catch {
    areTagsCurrent = false;
  }
}
