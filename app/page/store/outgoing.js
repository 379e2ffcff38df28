// Changes on their way to the service. While it is away they wait here, in order, and are sent later.

import { ApiError, isReachable, newKey, request, UnreachableError } from "../api.js";
import { effect, signal } from "../lib/signal.js";
import { announce } from "./changes.js";

/**
 * @typedef {object} Change
 * @property {string} method
 * @property {string} path
 * @property {Record<string, string | null>} [query]
 * @property {Record<string, unknown>} [body] Instants are part of it: it is the same whenever it is sent.
 * @property {string[]} types What it announces when it is done, for example ["entry.updated"].
 * @property {string} label What people read while it waits.
 * @property {string} [key] The Idempotency-Key, for POST. `submit` adds it.
 * @property {string} [ifMatch] The ETag of the version that is changed. Another version is a conflict.
 */

/** Changes that wait for the service, oldest first. */
export const waiting = signal(/** @type {Change[]} */ ([]));

/** Changes that the service refused after they had waited. The person decides about them. */
export const conflicts = signal(/** @type {{change: Change, error: ApiError}[]} */ ([]));

const RETRY_MS = 5000;

/**
 * Send a change, or let it wait when the service is away or others wait already.
 *
 * Throws ApiError when the service refuses it.
 *
 * @param {Change} change
 * @returns {Promise<{isSent: true, data: any} | {isSent: false}>}
 */
export async function submit(change) {
  const keyed = change.method === "POST" ? { key: newKey(), ...change } : change;
  if (waiting.peek().length === 0) {
    try {
      return { isSent: true, data: await deliver(keyed) };
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
  }
  waiting.value = [...waiting.peek(), keyed];
  return { isSent: false };
}

/** Send the waiting changes whenever the service may be back. Call once. */
export function sendWaiting() {
  addEventListener("online", flush);
  setInterval(flush, RETRY_MS);
  effect(() => {
    if (isReachable.value) void flush();
  });
}

let isFlushing = false;

async function flush() {
  if (isFlushing) return;
  isFlushing = true;
  try {
    for (let next = waiting.peek()[0]; next; next = waiting.peek()[0]) {
      await deliver(next).catch((error) => {
        if (!(error instanceof ApiError)) throw error;
        conflicts.value = [...conflicts.peek(), { change: /** @type {Change} */ (next), error }];
      });
      waiting.value = waiting.peek().slice(1);
    }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
  } finally {
    isFlushing = false;
  }
}

/** @param {Change} change */
async function deliver({ method, path, query, body, key, ifMatch, types }) {
  const { data } = await request(method, path, { query, body, key, ifMatch });
  announce(...types);
  return data;
}
