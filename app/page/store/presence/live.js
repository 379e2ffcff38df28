// What other tabs, devices and programs change arrives by the event stream. One tab follows it for all.

import { ApiError, openStream, request, SignedOutError } from "../../api.js";
import { readEvents } from "../../event_stream.js";
import { onCleanup } from "../../lib/signal.js";
import { clockOffset } from "../../service_clock.js";
import { ALL, announceEvents } from "../changes.js";

/** @typedef {import("../changes.js").Event} Event */

const NAME = "task-timer-live";
const MIN_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;
/** The service sends a heartbeat every 15 s. */
const MAX_SILENCE_MS = 45_000;
/** How often views load again while changes keep coming. */
const INTERVAL_MS = 500;
/** How often views load again when the service has no event stream. */
const POLL_MS = 60_000;
/** The clock of the service is known that well. */
const CLOCK_ERROR_MS = 2000;
/** Everything may have changed. */
const ANYTHING = ALL.map((type) => ({ type, requestId: null }));

/** Follow the changes until the current scope ends. */
export function followChanges() {
  const controller = new AbortController();
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }) => announceEvents(data);
  onCleanup(() => {
    controller.abort();
    channel.close();
  });
  /** @param {Event[]} events */
  const spread = atIntervals((events) => {
    announceEvents(events);
    channel.postMessage(events);
  });
  const lead = () => leadUntil(controller.signal, spread);
  if (navigator.locks) navigator.locks.request(NAME, { signal: controller.signal }, lead).catch(() => {});
  else void lead();
}

/**
 * Return a function that passes the first events on at once, and collects those that follow: a bulk change brings a
 * hundred events, and views shall not load again for each.
 *
 * @param {(events: Event[]) => void} spread
 * @returns {(events: Event[]) => void}
 */
function atIntervals(spread) {
  /** @type {Map<string, Event>} */
  let collected = new Map();
  let isWaiting = false;
  function pass() {
    isWaiting = collected.size > 0;
    if (!isWaiting) return;
    const events = [...collected.values()];
    collected = new Map();
    spread(events);
    setTimeout(pass, INTERVAL_MS);
  }
  return (events) => {
    for (const event of events) collected.set(`${event.type} ${event.requestId}`, event);
    if (!isWaiting) pass();
  };
}

/**
 * @param {AbortSignal} ended
 * @param {(events: Event[]) => void} spread
 */
async function leadUntil(ended, spread) {
  /** @type {string | null} */
  let lastId = null;
  let delay = MIN_DELAY_MS;
  let isFirst = true;
  while (!ended.aborted) {
    try {
      for await (const event of followOnce(lastId, ended)) {
        // A stream without a beginning brings what comes next: the views have been loaded before it was open.
        if (lastId === null && event.id && (!isFirst || (await hasChanged(event.id)))) spread(ANYTHING);
        isFirst = false;
        delay = MIN_DELAY_MS;
        lastId = event.id ?? lastId;
        if (event.type === "reset") spread(ANYTHING);
        else if (event.type !== "heartbeat") spread([{ type: event.type, requestId: event.data?.request_id ?? null }]);
      }
    } catch (error) {
      isFirst = false;
      if (error instanceof SignedOutError) return;
      if (error instanceof ApiError && error.code === "changes_disabled") {
        await pollUntil(ended, spread);
        return;
      }
      if (error instanceof ApiError) delay = Math.max(delay, error.retryAfterMs ?? 0);
    }
    await new Promise((resolve) => setTimeout(resolve, delay * (1 + Math.random())));
    delay = Math.min(delay * 2, MAX_DELAY_MS);
  }
}

/**
 * Return whether the last change may be newer than this page. If it cannot be read, it may.
 *
 * @param {string} id Of the change.
 */
async function hasChanged(id) {
  const query = { after: Number(id) - 1, limit: 1 };
  if (query.after < 0) return false;
  const answer = await request("GET", "changes", { query }).catch(() => null);
  const opened = performance.timeOrigin + clockOffset.peek() - CLOCK_ERROR_MS;
  if (!answer) return true;
  return answer.data.items.some(
    (/** @type {{occurred_at: string}} */ change) => Date.parse(change.occurred_at) > opened,
  );
}

/**
 * Yield the events of one connection. It ends when the service is silent.
 *
 * @param {string | null} after
 * @param {AbortSignal} ended
 */
async function* followOnce(after, ended) {
  const silence = new AbortController();
  let timeout = setTimeout(() => silence.abort(), MAX_SILENCE_MS);
  try {
    const body = await openStream({ after, signal: AbortSignal.any([ended, silence.signal]) });
    for await (const event of body ? readEvents(body) : []) {
      clearTimeout(timeout);
      timeout = setTimeout(() => silence.abort(), MAX_SILENCE_MS);
      yield event;
    }
  } finally {
    clearTimeout(timeout);
    silence.abort();
  }
}

/**
 * @param {AbortSignal} ended
 * @param {(events: Event[]) => void} spread
 */
async function pollUntil(ended, spread) {
  while (!ended.aborted) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (document.visibilityState === "visible") spread(ANYTHING);
  }
}
