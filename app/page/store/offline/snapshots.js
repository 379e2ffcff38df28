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
  const key = `${path} ${JSON.stringify(query)}`;
  try {
    const { data } = await request("GET", path, { query, signal });
    void put("snapshots", key, { data, at: Date.now() });
    return data;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const snapshot = await get("snapshots", key);
    if (!snapshot || snapshot.at < Date.now() - MAX_AGE_MS) throw error;
    return snapshot.data;
  }
}

/** Forget all answers: they belong to the user who signs out. */
export function forgetSnapshots() {
  return clear("snapshots");
}
