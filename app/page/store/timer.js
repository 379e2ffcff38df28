// The running timer. Starts and stops show at once, and are corrected by the answer of the service.

import { request } from "../api.js";
import { computed, signal } from "../lib/signal.js";
import { t } from "../text/index.js";
import { announce, onChange } from "./changes.js";
import { isoInstant, now, second } from "./clock.js";
import { submit, waiting } from "./outgoing.js";

/**
 * @typedef {object} RunningTimer
 * @property {string | null} taskId Null until the service has created the task.
 * @property {string} title
 * @property {string | null} projectId
 * @property {string | null} entryId Null until the service has answered.
 * @property {number} startedAt An instant in milliseconds.
 * @property {string | null} note
 * @property {string[]} tags
 *
 * @typedef {object} Work What is started: a task, or a new one of this title.
 * @property {string} [taskId]
 * @property {string} title
 * @property {string | null} [projectId]
 * @property {string[]} [tags]
 * @property {string | null} [note]
 */

/** The running timer, or null. */
export const timer = signal(/** @type {RunningTimer | null} */ (null));

/** The tasks that were tracked last, the newest first. */
export const recentTasks = signal(/** @type {import("../types").RecentTask[]} */ ([]));

/** The tracked seconds of this day and week, without the running timer's growth since they were loaded. */
export const totals = signal({ todaySeconds: 0, weekSeconds: 0, at: 0 });

/** The seconds that the timer has run. */
export const elapsed = computed(() =>
  timer.value ? Math.max(0, Math.floor((second.value - timer.value.startedAt) / 1000)) : 0,
);

/** Load the timer now, and again after each change. Call once in the scope of a session. */
export function followTimer() {
  onChange(["timer", "task", "entry", "project"], () => void loadTimer());
  return loadTimer();
}

async function loadTimer() {
  // Older than what is shown: the waiting changes come after it.
  if (waiting.peek().length > 0) return;
  const [today, running] = await Promise.all([
    request("GET", "reports/today"),
    request("GET", "tasks", { query: { running: true, limit: 1 } }),
  ]);
  if (waiting.peek().length > 0) return;
  recentTasks.value = today.data.recent_tasks;
  totals.value = { todaySeconds: today.data.today_seconds, weekSeconds: today.data.week_seconds, at: now() };
  const task = /** @type {import("../types").Task | undefined} */ (running.data.items[0]);
  show(
    task?.active
      ? { ...fromAnswer({ task_id: task.id, task_title: task.title, entry: task.active }), projectId: task.project_id }
      : null,
  );
}

/**
 * Start a timer. A running one is stopped at the same instant.
 *
 * @param {Work} work
 */
export async function start(work) {
  const instant = now();
  const before = timer.peek();
  const target = work.taskId
    ? { task_id: work.taskId }
    : { title: work.title, ...(work.projectId ? { project_id: work.projectId } : {}) };
  const note = work.note ? { note: work.note } : {};
  const tags = work.tags?.length ? { tags: work.tags } : {};
  const at = isoInstant(instant);
  show({
    taskId: work.taskId ?? null,
    title: work.title,
    projectId: work.projectId ?? null,
    entryId: null,
    startedAt: Date.parse(at),
    note: work.note ?? null,
    tags: work.tags ?? [],
  });
  await change(before, {
    method: "POST",
    path: before ? "timer/switch" : "timer/start",
    body: before ? { ...target, ...note, at } : { ...target, ...note, ...tags, started_at: at },
    types: ["timer.started", "task.updated"],
    label: t("timer.queued_start", { title: work.title }),
  });
}

/** Stop the timer. */
export async function stop() {
  const before = timer.peek();
  if (!before) return;
  show(null);
  await change(before, {
    method: "POST",
    path: "timer/stop",
    body: { ended_at: isoInstant(now()), ...(before.entryId ? { entry_id: before.entryId } : {}) },
    types: ["timer.stopped", "entry.created"],
    label: t("timer.queued_stop", { title: before.title }),
  });
}

/**
 * Correct the running timer.
 *
 * @param {{startedAt?: number, note?: string | null, tags?: string[]}} fields
 */
export async function correct(fields) {
  const before = timer.peek();
  if (!before) return;
  show({ ...before, ...fields });
  const { startedAt, ...rest } = fields;
  await change(before, {
    method: "PATCH",
    path: "timer",
    body: { ...rest, ...(startedAt === undefined ? {} : { started_at: isoInstant(startedAt) }) },
    types: ["timer.updated"],
    label: t("timer.queued_change", { title: before.title }),
  });
}

/** Discard the running timer. @returns {Promise<string | null>} The id of the entry, to restore it. */
export async function discard() {
  const before = timer.peek();
  if (!before) return null;
  show(null);
  await change(before, {
    method: "DELETE",
    path: "timer",
    types: ["timer.discarded"],
    label: t("timer.queued_discard", { title: before.title }),
  });
  return before.entryId;
}

/**
 * @param {RunningTimer | null} before Shown again when the service refuses the change.
 * @param {import("./outgoing.js").Change} outgoing
 */
async function change(before, outgoing) {
  try {
    const answer = await submit(outgoing);
    if (!answer.isSent || !answer.data) return;
    const started = answer.data.started ?? answer.data;
    if (started.entry?.ended_at === null) show({ ...fromAnswer(started), projectId: timer.peek()?.projectId ?? null });
  } catch (error) {
    show(before);
    // The refusal says that the state shown is old.
    announce("timer.updated");
    throw error;
  }
}

/**
 * @param {{task_id: string, task_title: string, entry: import("../types").Entry}} answer
 * @returns {RunningTimer}
 */
function fromAnswer({ task_id, task_title, entry }) {
  return {
    taskId: task_id,
    title: task_title,
    projectId: null,
    entryId: entry.id,
    startedAt: Date.parse(entry.started_at),
    note: entry.note,
    tags: entry.tags,
  };
}

/** @param {RunningTimer | null} next */
function show(next) {
  timer.value = next;
  second.value = now();
}
