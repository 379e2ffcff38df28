// Changes on their way to the service. While it is away they wait, in order, and are sent later.
//
// Each change is stored in the browser before it is sent, and removed when the service has answered. Nothing is lost
// when the tab or the machine ends in between. A change that was sent twice has the same Idempotency-Key.

import { ApiError, isReachable, newKey, request, UnreachableError } from "../api.js";
import { busyUntil, isBusyForLong } from "../busy.js";
import { computed, effect, signal } from "../lib/signal.js";
import { announce, announceAll, announceAnswer } from "./changes.js";
import { changeQueued, dequeue, enqueue, isWaiting, queuedChanges, store } from "./offline/queue.js";
import { RETRY_MS, whenReachableAgain } from "./presence/reachable.js";
import { loadProfile, profile } from "./profile.js";
import { oneAtATime, workQueue } from "./resource.js";

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
 *
 * @typedef {import("./offline/queue.js").QueuedChange} QueuedChange
 */

/** The service remembers keys for a day. A later repetition could do the work twice. */
const MAX_REPEAT_AGE_MS = 23 * 3_600_000;
/** Answers of a repeated change that say that its work is done. */
const ALREADY_DONE = /** @type {Record<string, number[]>} */ ({ DELETE: [404] });

const TIMER_PATH = /^timer(\/|$)/;
const TASK_PATH = /^tasks\/[^/]+/;

/** The ids of the changes of this tab, by the id of what each has created. */
export const changeIds = /** @type {Map<string, string>} */ (new Map());

const queue = signal(/** @type {QueuedChange[]} */ ([]));

/** The ids of changes of this tab that have been made just now: `submit` sends them when it is their turn. */
const submitted = /** @type {Set<string>} */ (new Set());

/** Changes that wait for the service, oldest first. */
export const waiting = computed(() => queue.value.filter((each) => !each.refusal));

/** Changes that the service refused after they had waited. The person decides about them. */
export const conflicts = computed(() => queue.value.filter((each) => each.refusal));

const channel = new BroadcastChannel("task-timer-outgoing");

/**
 * Send a change, or let it wait when the service is away or busy, or when others wait already.
 *
 * Throws ApiError when the service refuses it.
 *
 * @param {Change} change
 * @returns {Promise<{isSent: true, data: any} | {isSent: false}>}
 */
export async function submit(change) {
  const path = withCreatedIds(change.path);
  const keyed = change.method === "POST" ? { key: newKey(), ...change, path } : { ...change, path };
  // Stored before it waits for the changes that are being sent: the tab may end meanwhile.
  const queued = await enqueue(await userId(), keyed);
  submitted.add(queued.id);
  return inOrder(async () => {
    submitted.delete(queued.id);
    // Another tab may have sent it with those that waited there.
    if ((await isWaiting(queued)) && waiting.peek().length === 0) {
      try {
        return { isSent: true, data: await deliver(queued) };
      } catch (error) {
        if (error instanceof ApiError) await dequeue(queued);
        if (!(error instanceof UnreachableError)) throw error;
      }
    }
    await loadQueue();
    channel.postMessage("changed");
    announce(...change.types);
    return { isSent: false };
  });
}

/** Send the waiting changes whenever the service may be back. Call once in the scope of a session. */
export async function sendWaiting() {
  const events = ["online", "focus"];
  for (const name of events) addEventListener(name, () => void flush());
  const ask = oneAtATime(probe);
  setInterval(() => void (isReachable.peek() ? flush() : ask()), RETRY_MS);
  channel.onmessage = () => void loadQueue();
  await loadQueue();
  effect(() => {
    if (isReachable.value && busyUntil.value === null) void flush();
  });
  // What is shown can be older than what the service has.
  whenReachableAgain(announceAll);
}

/**
 * Send a refused change again.
 *
 * @param {QueuedChange} queued
 */
export async function sendAgain(queued) {
  // A new key: the service may remember its refusal under the old one.
  const key = queued.change.key ? { key: newKey() } : {};
  // The person has decided that it holds, whatever the version is.
  const change = { ...queued.change, ...key, ifMatch: undefined };
  await inOrder(async () => {
    await store({ ...queued, createdAt: Date.now(), refusal: null, change });
    await loadQueue();
  });
  await flush();
}

/**
 * Give a change up, and with it the changes of what it would have created.
 *
 * @param {QueuedChange} queued
 */
export async function discardChange(queued) {
  await inOrder(async () => {
    for (const other of queue.peek()) if (other.change.path.includes(queued.id)) await dequeue(other);
    await dequeue(queued);
    await loadQueue();
  });
  channel.postMessage("changed");
}

/** Find out whether the service is back, with its database. The answer sets isReachable. */
async function probe() {
  await request("GET", "users/me").catch(() => {});
}

async function flush() {
  if (waiting.peek().length === 0) return;
  await inOrder(async () => {
    await loadQueue();
    try {
      // One change can alter those after it: what it has created gets an id.
      for (let [first] = waiting.peek(); first; [first] = waiting.peek()) {
        await flushOne(first);
        await loadQueue();
      }
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    } finally {
      await loadQueue();
      channel.postMessage("changed");
    }
  });
}

/** @param {QueuedChange} queued */
async function flushOne(queued) {
  const reason = reasonToAsk(queued);
  if (reason) {
    await store({ ...queued, refusal: { code: reason, title: "", detail: "" } });
    return;
  }
  try {
    await deliver(queued);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (ALREADY_DONE[queued.change.method]?.includes(error.status)) await dequeue(queued);
    else if (error.status === 429 || error.code === "idempotency_in_progress") throw new UnreachableError();
    else await store({ ...queued, refusal: { code: error.code, title: error.problem.title, detail: error.message } });
  }
}

/**
 * Return why the person must decide before a waiting change is sent, or null.
 *
 * After a refused start, what follows would stop or change the timer of another device. What was not created cannot be
 * changed.
 *
 * @param {QueuedChange} queued
 */
function reasonToAsk({ id, wasTried, change, createdAt }) {
  if (wasTried && change.key && createdAt < Date.now() - MAX_REPEAT_AGE_MS) return "outdated";
  if (conflicts.peek().some((other) => change.path.includes(other.id))) return "not_created";
  const isTimer = (/** @type {QueuedChange} */ other) => TIMER_PATH.test(other.change.path) && other.id < id;
  return TIMER_PATH.test(change.path) && conflicts.peek().some(isTimer) ? "after_refused" : null;
}

/** Send a change, and forget it when the service has answered. @param {QueuedChange} queued */
async function deliver(queued) {
  const { method, path, query, body, key, ifMatch, types } = queued.change;
  if (isBusyForLong()) throw new UnreachableError();
  if (!queued.wasTried) await store({ ...queued, wasTried: true });
  const { data, headers } = await request(method, path, { query, body, key, ifMatch, isQueued: true });
  // A split leaves the first half what it was.
  const createdId = method === "POST" ? (data?.second?.id ?? data?.id) : undefined;
  if (createdId && !path.includes(createdId)) changeIds.set(createdId, queued.id);
  await changeQueued(queued, (later) => afterwards(queued, later, headers.get("ETag")));
  await dequeue(queued);
  queue.value = queue.peek().filter(({ id }) => id !== queued.id);
  announceAnswer(headers.get("X-Request-ID"), types);
  return data;
}

/**
 * Return a waiting change as it is to be sent after another one was done. The id of what that one has created was not known
 * before, and the version of its task is now the next one: if nobody else has changed the task, there is no conflict.
 *
 * @param {QueuedChange} done
 * @param {Change} later
 * @param {string | null} etag Of the answer.
 * @returns {Change} The same one if it stays as it is.
 */
function afterwards({ change }, later, etag) {
  const path = withCreatedIds(later.path);
  const isSameTask = TASK_PATH.exec(path)?.[0] === TASK_PATH.exec(change.path)?.[0];
  const wasSeen =
    later.ifMatch !== undefined && later.ifMatch === etag?.replace(/\d+/, (text) => String(Number(text) - 1));
  if (isSameTask && wasSeen) return { ...later, path, ifMatch: etag };
  return path === later.path ? later : { ...later, path };
}

/**
 * Return the path with the ids that the service has given to what was created by waiting changes. A dialog or an undo that
 * was open meanwhile has only the id of the change.
 *
 * @param {string} path
 */
function withCreatedIds(path) {
  let result = path;
  for (const [id, queuedId] of changeIds) result = result.replace(queuedId, id);
  return result;
}

/** Load the queue. The views show what waits: they load again what begins to wait, or has ended in whatever way. */
async function loadQueue() {
  const user = profile.peek();
  const stored = user ? await queuedChanges(user.id) : [];
  const before = waiting.peek();
  queue.value = stored.filter(({ id }) => !submitted.has(id));
  const isIn = (/** @type {QueuedChange[]} */ changes, /** @type {QueuedChange} */ { id }) =>
    changes.some((each) => each.id === id);
  const after = waiting.peek();
  for (const each of [...before, ...after])
    if (!isIn(before, each) || !isIn(after, each)) announce(...each.change.types);
}

const inThisTab = workQueue();

/**
 * Run the work after all earlier work of this kind, in all tabs where the browser has Web Locks.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function inOrder(work) {
  if (navigator.locks) return await navigator.locks.request("task-timer-outgoing", work);
  return await inThisTab(work);
}

/** Return the id of the user, also for a change that a person makes before the profile is loaded. */
async function userId() {
  if (!profile.peek()) await loadProfile();
  const user = profile.peek();
  if (!user) throw new UnreachableError();
  return user.id;
}
