// The running timer. Starts and stops show at once, and are corrected by the answer of the service.

import { ApiError, isReachable, request, UnreachableError } from "../api.js";
import { computed, effect, signal } from "../lib/signal.js";
import { t } from "../text/index.js";
import { announce, onChange } from "./changes.js";
import { isoInstant, now, second, today } from "./clock.js";
import { get, put } from "./offline/database.js";
import { submit, waiting } from "./outgoing.js";
import { oneAtATime } from "./resource.js";

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
 * @typedef {RunningTimer & {endedAt: number}} EndedTimer
 *
 * @typedef {object} Work What is started: a task, or a new one of this title.
 * @property {string} [taskId]
 * @property {string} title
 * @property {string | null} [projectId]
 * @property {string[]} [tags]
 * @property {string | null} [note]
 *
 * @typedef {{overlap?: "allow" | "warn" | "forbid"}} Options The policy for this change instead of the user's.
 * @typedef {{at?: number}} At The instant of a start or stop, in milliseconds. The default is now.
 *
 * @typedef {import("../types").Overlap} Overlap
 * @typedef {Pick<import("../types").Timer, "task_id" | "task_title" | "project_id" | "entry">} TimerAnswer
 * @typedef {import("./outgoing.js").Change} Change
 * @typedef {Change | (() => Change)} Outgoing A function is called when the changes before are answered.
 */

/** The running timer, or null. */
export const timer = signal(/** @type {RunningTimer | null} */ (null));

/** What this tab has stopped and the service has not confirmed yet. */
export const ended = signal(/** @type {EndedTimer[]} */ ([]));

/** The tasks that were tracked last, the newest first. */
export const recentTasks = signal(/** @type {import("../types").RecentTask[]} */ ([]));

/** The seconds that the timer has run. */
export const elapsed = computed(() => (timer.value ? secondsSince(timer.value.startedAt) : 0));

/** The key of what the page shows, for a start without the service. */
const SHOWN = "timer";

/** How many actions of this tab there were. What was loaded before an action is older than what is shown. */
let actions = 0;

/** How many of them are being sent. */
let inProgress = 0;

/** The last action. The next one is sent after it, so that a start and its stop arrive in order. */
let last = /** @type {Promise<unknown>} */ (Promise.resolve());

/** Load the timer now, and again after each change. Call once. */
export function followTimer() {
  const reload = () => void loadTimer().catch(() => {});
  onChange(["timer", "task", "entry", "project", "user", "import"], reload);
  let isFirst = true;
  effect(() => {
    const isReady = isReachable.value && waiting.value.length === 0 && today.value !== "";
    if (isReady && !isFirst) reload();
    isFirst = false;
  });
  return loadFirst();
}

/** Load the timer. While the service is away or changes wait, show what the page showed last. */
async function loadFirst() {
  try {
    if (waiting.peek().length > 0) await restoreShown();
    await loadTimer();
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    await restoreShown();
  } finally {
    effect(() => {
      void put("snapshots", SHOWN, { timer: timer.value, ended: ended.value, recentTasks: recentTasks.value });
    });
  }
}

async function restoreShown() {
  const shown = await get("snapshots", SHOWN);
  if (!shown || timer.peek()) return;
  ended.value = shown.ended;
  recentTasks.value = shown.recentTasks;
  show(shown.timer);
}

const loadTimer = oneAtATime(async () => {
  const atAction = actions;
  // While changes are sent or wait, what the service knows is older than what is shown.
  const isOld = () => waiting.peek().length > 0 || inProgress > 0 || actions !== atAction;
  if (isOld()) return;
  const report = /** @type {import("../types").Today} */ ((await request("GET", "reports/today")).data);
  if (isOld()) return;
  recentTasks.value = report.recent_tasks;
  ended.value = [];
  show(report.timer && fromAnswer(report.timer));
});

/**
 * Start a timer. A running one is stopped at the same instant.
 *
 * @param {Work} work
 * @param {Options & At} [options]
 * @returns {Promise<Overlap[]>} The entries that it overlaps, under the policy "warn".
 */
export async function start(work, options = {}) {
  const before = timer.peek();
  const at = Math.max(options.at ?? now(), before?.startedAt ?? 0);
  const { title, projectId } = work;
  const target = () => {
    const taskId = work.taskId ?? createdTasks.get(`${projectId ?? ""} ${title}`);
    return taskId ? { task_id: taskId } : { title, ...(projectId ? { project_id: projectId } : {}) };
  };
  const note = work.note ? { note: work.note } : {};
  const tags = work.tags?.length ? { tags: work.tags } : {};
  const instant = isoInstant(at);
  return change(
    before,
    {
      taskId: work.taskId ?? null,
      title: work.title,
      projectId: work.projectId ?? null,
      entryId: null,
      startedAt: Date.parse(instant),
      note: work.note ?? null,
      tags: before ? [] : (work.tags ?? []),
    },
    before && at,
    () => ({
      method: "POST",
      path: before ? "timer/switch" : "timer/start",
      query: { overlap: options.overlap ?? null },
      body: before ? { ...target(), ...note, at: instant } : { ...target(), ...note, ...tags, started_at: instant },
      types: ["timer.started", "task.updated"],
      label: t("timer.queued_start", { title: work.title }),
    }),
  );
}

/** The tasks that starts have created while others waited, by project and title: those do not know the ids. */
const createdTasks = /** @type {Map<string, string>} */ (new Map());

/**
 * Stop the timer.
 *
 * @param {At} [options]
 */
export async function stop(options = {}) {
  const before = timer.peek();
  if (!before) return;
  const at = Math.max(options.at ?? now(), before.startedAt);
  await change(before, null, at, {
    method: "POST",
    path: "timer/stop",
    body: { ended_at: isoInstant(at), ...(before.entryId ? { entry_id: before.entryId } : {}) },
    types: ["timer.stopped", "entry.created"],
    label: t("timer.queued_stop", { title: before.title }),
  });
}

/**
 * Correct the running timer.
 *
 * @param {{startedAt?: number, note?: string | null, tags?: string[]}} fields
 * @param {Options} [options]
 * @returns {Promise<Overlap[]>} As of start.
 */
export async function correct(fields, options = {}) {
  const before = timer.peek();
  if (!before) return [];
  const { startedAt, ...rest } = fields;
  return change(before, { ...before, ...fields }, null, {
    method: "PATCH",
    path: "timer",
    query: { overlap: options.overlap ?? null },
    body: { ...rest, ...(startedAt === undefined ? {} : { started_at: isoInstant(startedAt) }) },
    types: ["timer.updated"],
    label: t("timer.queued_change", { title: before.title }),
  });
}

/**
 * Give the task of the running timer to a project. Does nothing while no timer runs.
 *
 * @param {string | null} projectId
 */
export async function changeProject(projectId) {
  const before = timer.peek();
  if (!before) return;
  await change(before, { ...before, projectId }, null, () => {
    const { taskId, title } = confirmed.get(before) ?? before;
    // The start waits for the service: nobody knows yet which task it creates.
    if (!taskId) throw new UnreachableError();
    const body = { project_id: projectId };
    return { method: "PATCH", path: `tasks/${taskId}`, body, types: ["task.updated"], label: title };
  });
}

/** Discard the running timer. @returns {Promise<string | null>} The id of the entry, to restore it. */
export async function discard() {
  const before = timer.peek();
  if (!before) return null;
  await change(before, null, null, {
    method: "DELETE",
    path: "timer",
    types: ["timer.discarded"],
    label: t("timer.queued_discard", { title: before.title }),
  });
  return (confirmed.get(before) ?? before).entryId;
}

/** What the service has answered to a change, by what was shown before the answer. */
const confirmed = /** @type {WeakMap<RunningTimer, RunningTimer>} */ (new WeakMap());

/**
 * Show a change at once and send it after the changes before it.
 *
 * @param {RunningTimer | null} before Shown again when the service refuses the change.
 * @param {RunningTimer | null} after
 * @param {number | null} endedAt When the timer before becomes an entry; null when it does not.
 * @param {Outgoing} outgoing
 * @returns {Promise<Overlap[]>}
 */
async function change(before, after, endedAt, outgoing) {
  actions += 1;
  const action = actions;
  const shown = { before, after, ended: before && endedAt !== null ? showAsEnded(before, endedAt) : null };
  show(after);
  inProgress += 1;
  const sent = send(last, shown, outgoing).finally(() => {
    inProgress -= 1;
    if (inProgress === 0) createdTasks.clear();
  });
  last = sent.catch(() => {});
  try {
    const answer = await sent;
    announce("timer.updated");
    if (!answer?.isSent || !answer.data) return [];
    const started = answer.data.started ?? answer.data;
    if (after && started.entry) confirmed.set(after, fromAnswer(started));
    if (after?.taskId === null && started.entry && inProgress > 0)
      createdTasks.set(`${after.projectId ?? ""} ${after.title}`, started.task_id);
    if (shown.ended) replaceEnded(shown.ended, toEnded(answer.data.stopped ?? answer.data));
    // A later action has changed what is shown.
    if (action === actions && started.entry?.ended_at === null) show(fromAnswer(started));
    return started.overlaps ?? [];
  } catch (error) {
    if (shown.ended) replaceEnded(shown.ended, null);
    const running = error instanceof ApiError ? error.problem.running : undefined;
    if (action === actions) show(running ? fromAnswer(running) : before);
    // The refusal says that the state shown is old.
    announce("timer.updated");
    throw error;
  }
}

/** Timers whose start was refused. */
const refused = /** @type {WeakSet<RunningTimer>} */ (new WeakSet());

/**
 * @param {Promise<unknown>} previous
 * @param {{before: RunningTimer | null, after: RunningTimer | null, ended: EndedTimer | null}} shown
 * @param {Outgoing} outgoing
 */
async function send(previous, shown, outgoing) {
  await previous;
  const { before, after, ended: end } = shown;
  // There is nothing to stop or correct, least of all the timer of another device.
  if (before && refused.has(before)) {
    if (after) refused.add(after);
    return null;
  }
  const known = before && confirmed.get(before);
  // The id tells which entry it becomes, also if a correction of its start was refused.
  if (known && end) shown.ended = replaceEnded(end, { ...end, entryId: known.entryId });
  const ready = typeof outgoing === "function" ? outgoing() : outgoing;
  const isStart = ready.method === "POST";
  if (known && after && !isStart) confirmed.set(after, known);
  try {
    return await submit(ready);
  } catch (error) {
    if (isStart && after) refused.add(after);
    throw error;
  }
}

/**
 * Show a stopped timer as an entry, until it is loaded as one.
 *
 * @param {RunningTimer} stopped
 * @param {number} endedAt
 */
function showAsEnded(stopped, endedAt) {
  const shown = { ...stopped, endedAt };
  ended.value = [...ended.peek(), shown];
  return shown;
}

/** Show what is known of a stopped timer, or remove it. @param {EndedTimer} shown @param {EndedTimer | null} next */
function replaceEnded(shown, next) {
  ended.value = ended.peek().flatMap((each) => (each === shown ? (next ?? []) : [each]));
  return next;
}

/** @param {TimerAnswer} answer */
function toEnded(answer) {
  return { ...fromAnswer(answer), endedAt: Date.parse(answer.entry.ended_at ?? "") };
}

/**
 * @param {TimerAnswer} answer
 * @returns {RunningTimer}
 */
function fromAnswer({ task_id, task_title, project_id, entry }) {
  return {
    taskId: task_id,
    title: task_title,
    projectId: project_id,
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

/** @param {number} instant */
function secondsSince(instant) {
  return Math.max(0, Math.floor((second.value - instant) / 1000));
}
