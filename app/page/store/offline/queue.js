// The queue of changes as it is stored in the browser, so that it survives the tab.

import { all, get, put, remove } from "./database.js";

/**
 * @typedef {object} QueuedChange
 * @property {string} id Sorts by the time of its creation.
 * @property {string} userId
 * @property {number} createdAt Milliseconds.
 * @property {boolean} wasTried Whether the service may have received it.
 * @property {import("../outgoing.js").Change} change
 * @property {{title: string, detail: string, code: string} | null} refusal Why the service refused it.
 */

let lastTime = 0;

/**
 * Store a change before it is sent.
 *
 * @param {string} userId
 * @param {import("../outgoing.js").Change} change
 * @returns {Promise<QueuedChange>}
 */
export async function enqueue(userId, change) {
  // Two changes of one millisecond keep their order.
  lastTime = Math.max(Date.now(), lastTime + 1);
  const queued = {
    id: `${userId} ${String(lastTime).padStart(15, "0")}`,
    userId,
    createdAt: Date.now(),
    wasTried: false,
    change,
    refusal: null,
  };
  await put("changes", queued.id, queued);
  return queued;
}

/**
 * Return the queued changes of a user, the oldest first.
 *
 * @param {string} userId
 * @returns {Promise<QueuedChange[]>}
 */
export function queuedChanges(userId) {
  return all("changes", `${userId} `);
}

/**
 * Return whether a change is still stored and was not refused.
 *
 * @param {QueuedChange} queued
 */
export async function isWaiting({ id }) {
  const stored = await get("changes", id);
  return stored !== undefined && !stored.refusal;
}

/**
 * Alter the other changes of a user. Those that `alter` returns as they are stay.
 *
 * @param {QueuedChange} done
 * @param {(change: import("../outgoing.js").Change) => import("../outgoing.js").Change} alter
 */
export async function changeQueued({ id, userId }, alter) {
  for (const queued of await queuedChanges(userId)) {
    const change = alter(queued.change);
    if (queued.id !== id && change !== queued.change) await store({ ...queued, change });
  }
}

/** @param {QueuedChange} queued */
export async function store(queued) {
  await put("changes", queued.id, queued);
}

/** @param {QueuedChange} queued */
export async function dequeue(queued) {
  await remove("changes", queued.id);
}
