// The last answers of the service, shown while it is away.

import { request, UnreachableError } from "../../api.js";
import { clear, get, put } from "./database.js";

const MAX_AGE_MS = 7 * 86_400_000;

/**
 * Read from the API. While the service is away, return what the same request was answered before.
 *
 * Throws UnreachableError when there is no earlier answer.
 *
 * @param {string} path
 * @param {import("../../api.js").RequestOptions["query"]} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} The data of the answer.
 */
export async function read(path, query = {}, signal) {
  try {
    const { data } = await request("GET", path, { query, signal });
    void put("snapshots", keyOf(path, query), { data, at: Date.now() });
    return data;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const data = await lastAnswer(path, query);
    if (data === null) throw error;
    return data;
  }
}

/**
 * Return what a request was answered last, or null.
 *
 * @param {string} path
 * @param {import("../../api.js").RequestOptions["query"]} [query]
 * @returns {Promise<any>}
 */
export async function lastAnswer(path, query = {}) {
  const snapshot = await get("snapshots", keyOf(path, query));
  return snapshot && snapshot.at >= Date.now() - MAX_AGE_MS ? snapshot.data : null;
}

/**
 * @param {string} path
 * @param {import("../../api.js").RequestOptions["query"]} query
 */
function keyOf(path, query) {
  return `${path} ${JSON.stringify(query)}`;
}

/** Forget all answers: they belong to the user who signs out. */
export function forgetSnapshots() {
  return clear("snapshots");
}
