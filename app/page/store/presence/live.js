// What other tabs, devices and programs change arrives by the event stream. One tab follows it for all.

import { ApiError, follow, SignedOutError } from "../../api.js";
import { onCleanup, signal } from "../../lib/signal.js";
import { ALL, announce } from "../changes.js";

/** Whether changes of others arrive at once. */
export const isLive = signal(false);

const NAME = "task-timer-live";
const MIN_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;
/** The service sends a heartbeat every 15 s. */
const MAX_SILENCE_MS = 45_000;
/** How often views load again while changes keep coming. */
const INTERVAL_MS = 500;
/** How often views load again when the service has no event stream. */
const POLL_MS = 60_000;

/** Follow the changes until the current scope ends. */
export function followChanges() {
  const controller = new AbortController();
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }) => announce(...data);
  onCleanup(() => {
    controller.abort();
    channel.close();
  });
  /** @param {string[]} types */
  const spread = atIntervals((types) => {
    announce(...types);
    channel.postMessage(types);
  });
  const lead = () => leadUntil(controller.signal, spread);
  if (navigator.locks) navigator.locks.request(NAME, { signal: controller.signal }, lead).catch(() => {});
  else void lead();
}

/**
 * Return a function that passes the first types on at once, and collects those that follow: a bulk change brings a
 * hundred events, and views shall not load again for each.
 *
 * @param {(types: string[]) => void} spread
 * @returns {(types: string[]) => void}
 */
function atIntervals(spread) {
  /** @type {Set<string>} */
  let collected = new Set();
  let isWaiting = false;
  function pass() {
    isWaiting = collected.size > 0;
    if (!isWaiting) return;
    const types = [...collected];
    collected = new Set();
    spread(types);
    setTimeout(pass, INTERVAL_MS);
  }
  return (types) => {
    for (const type of types) collected.add(type);
    if (!isWaiting) pass();
  };
}

/**
 * @param {AbortSignal} ended
 * @param {(types: string[]) => void} spread
 */
async function leadUntil(ended, spread) {
  /** @type {string | null} */
  let lastId = null;
  let delay = MIN_DELAY_MS;
  let isFirst = true;
  while (!ended.aborted) {
    try {
      // Without the id of an event it is unknown what happened since the last connection.
      if (!isFirst && lastId === null) spread(ALL);
      isFirst = false;
      for await (const event of followOnce(lastId, ended)) {
        delay = MIN_DELAY_MS;
        isLive.value = true;
        lastId = event.type === "reset" ? null : (event.id ?? lastId);
        if (event.type === "reset") spread(ALL);
        else if (event.type !== "heartbeat") spread([event.type]);
      }
    } catch (error) {
      if (error instanceof SignedOutError) return;
      if (error instanceof ApiError && error.code === "changes_disabled") {
        await pollUntil(ended, spread);
        return;
      }
    }
    isLive.value = false;
    await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random())));
    delay = Math.min(delay * 2, MAX_DELAY_MS);
  }
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
    for await (const event of follow({ after, signal: AbortSignal.any([ended, silence.signal]) })) {
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
 * @param {(types: string[]) => void} spread
 */
async function pollUntil(ended, spread) {
  while (!ended.aborted) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (document.visibilityState === "visible") spread(ALL);
  }
}
