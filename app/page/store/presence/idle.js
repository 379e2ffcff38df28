// Gaps in which nobody used the page while a timer ran: the machine slept, or the page was hidden.

import { effect, onCleanup, signal } from "../../lib/signal.js";
import { now } from "../clock.js";
import { createEntry } from "../entries.js";
import { preferences } from "../profile.js";
import { start, stop, timer } from "../timer.js";

/** @typedef {{from: number, to: number, entryId: string | null, title: string}} Gap Instants in milliseconds. */

/** The gap that the person has not decided about, or null. */
export const gap = signal(/** @type {Gap | null} */ (null));

const TICK_MS = 5000;
const MINUTE_MS = 60_000;
const DEFAULT_IDLE_MINUTES = 10;
/** When a tab of this page was last seen by a person, shared by all tabs. */
const LAST_SEEN = "task-timer-last-seen";

/** Look for gaps until the current scope ends. */
export function watchForGaps() {
  const interval = setInterval(observe, TICK_MS);
  document.addEventListener("visibilitychange", observe);
  onCleanup(() => {
    clearInterval(interval);
    document.removeEventListener("visibilitychange", observe);
  });
  // The question is about one timer: it ends with it.
  effect(() => {
    const running = timer.value;
    const asked = gap.peek();
    if (asked && (!running || running.startedAt >= asked.to)) gap.value = null;
  });
  observe();
}

function observe() {
  if (document.visibilityState !== "visible") return;
  const [seen, instant] = [Number(localStorage.getItem(LAST_SEEN) ?? now()), now()];
  localStorage.setItem(LAST_SEEN, String(instant));
  const minutes = preferences.peek().idle_minutes ?? DEFAULT_IDLE_MINUTES;
  const running = timer.peek();
  if (!running || minutes === 0 || gap.peek()) return;
  const from = Math.max(seen, running.startedAt);
  if (instant - from >= minutes * MINUTE_MS) {
    gap.value = { from, to: instant, entryId: running.entryId, title: running.title };
  }
}

/** Count the gap as tracked time. */
export function keepGap() {
  gap.value = null;
}

/** Stop the timer at the beginning of the gap. */
export async function stopBeforeGap() {
  const decided = gap.peek();
  gap.value = null;
  if (decided && timer.peek()) await stop({ at: decided.from });
}

/** Make the gap an entry of its own, and let the timer run on from its end. Nothing is lost. */
export async function splitGap() {
  const decided = gap.peek();
  const running = timer.peek();
  gap.value = null;
  if (!decided || !running?.taskId) return;
  const { taskId, title, projectId, tags, note } = running;
  await stop({ at: decided.from });
  await createEntry({ id: taskId, title }, { startedAt: decided.from, endedAt: decided.to, tags });
  await start({ taskId, title, projectId, tags, note }, { at: decided.to });
}
