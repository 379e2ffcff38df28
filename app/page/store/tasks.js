// Tasks: search and changes.

import { newKey, request } from "../api.js";
import { announce } from "./changes.js";
import { submit } from "./outgoing.js";

/** @typedef {import("../types").Task} Task */

/**
 * Find tasks by a part of their title.
 *
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Task[]>} At most ten.
 */
export async function findTasks(text, signal) {
  const { data } = await request("GET", "tasks", { query: { q: text, limit: 10 }, signal });
  return data.items;
}

/**
 * Change a task.
 *
 * @param {Pick<Task, "id" | "title">} task
 * @param {Record<string, unknown>} fields Merged as JSON merge patch.
 */
export async function updateTask(task, fields) {
  return submit({
    method: "PATCH",
    path: `tasks/${task.id}`,
    body: fields,
    types: ["task.updated"],
    label: task.title,
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
