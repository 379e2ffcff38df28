// What a person changes in a row, and what can be wrong with it.

import { attempt } from "../../parts/notice.js";
import { describeWriteError } from "../../parts/overlaps.js";
import { parseTags } from "../../parts/tags_field.js";
import { isoInstant } from "../../store/clock.js";
import { moveEntry, updateEntry } from "../../store/entries.js";
import { zone } from "../../store/profile.js";
import { workQueue } from "../../store/resource.js";
import { createTask, updateTask } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { parseDuration } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";
import { instantNear, isShownTime, parseTime } from "../../time/times.js";

const MINUTE_MS = 60_000;

/**
 * @typedef {import("./day.js").Row} Row
 * @typedef {import("../../parts/task_picker.js").Choice} Choice
 */

/**
 * Return the functions that store what is typed in a row. Each returns what is wrong with it, or null.
 *
 * @param {import("./day.js").Day} day
 * @param {import("../../lib/signal.js").ReadSignal<Row>} row
 */
export function entryEdits(day, row) {
  const inOrder = workQueue();
  let taskChange = /** @type {Promise<unknown>} */ (Promise.resolve());

  /**
   * Let a change begin after the answer of the one before: it is computed from the times that are stored by then.
   *
   * @template T
   * @template {unknown[]} Input
   * @param {(...input: Input) => Promise<T>} save
   * @returns {(...input: Input) => Promise<T>}
   */
  const inTurn =
    (save) =>
    (...input) =>
      inOrder(() => save(...input));

  /** @param {import("../../store/entries.js").EntryFields} fields */
  async function store(fields) {
    const { entry, id, title } = row.peek();
    if (!entry) return t("today.not_stored");
    try {
      const answer = await updateEntry(entry, fields, title);
      day.patch(id, answer.isSent ? withoutOverlaps(answer.data) : asEntry(fields));
      return null;
    } catch (error) {
      const titles = new Map(day.rows.peek().map((each) => [each.taskId, each.title]));
      return describeWriteError(error, (taskId) => titles.get(taskId));
    }
  }

  /** @param {string} text */
  async function saveStart(text) {
    const { startedAt, endedAt } = row.peek();
    const time = parseTime(text);
    if (!time) return t("time.invalid");
    if (isShownTime(time, startedAt, zone.peek())) return null;
    const isAllowed = (/** @type {number} */ instant) => instant < endedAt;
    const instant = instantNear(time, { near: startedAt, zone: zone.peek(), isAllowed });
    if (instant === null) return t("today.start_after_end", { end: formatTime(endedAt, zone.peek()) });
    return store({ startedAt: instant, endedAt });
  }

  /** @param {string} text */
  async function saveEnd(text) {
    const { startedAt, endedAt } = row.peek();
    const time = parseTime(text);
    if (!time) return t("time.invalid");
    if (isShownTime(time, endedAt, zone.peek())) return null;
    const isAllowed = (/** @type {number} */ instant) => instant > startedAt;
    const instant = instantNear(time, { near: endedAt, zone: zone.peek(), isAllowed });
    if (instant === null) return t("today.end_before_start", { start: formatTime(startedAt, zone.peek()) });
    return store({ endedAt: instant });
  }

  /** @param {string} text */
  async function saveDuration(text) {
    const seconds = parseDuration(text);
    if (!seconds) return t("today.no_duration");
    return store({ endedAt: row.peek().startedAt + seconds * 1000 });
  }

  return {
    saveStart: inTurn(saveStart),
    saveEnd: inTurn(saveEnd),
    saveDuration: inTurn(saveDuration),
    saveNote: inTurn((/** @type {string} */ text) => store({ note: text.trim() || null })),
    saveTags: inTurn((/** @type {string} */ text) => store({ tags: parseTags(text) })),
    changeTask(/** @type {Choice} */ choice) {
      const change = inOrder(() => changeTask(day, row.peek(), choice));
      taskChange = change;
      return change;
    },
    /** Wait until the row has the task that was chosen last. */
    taskChanged: () => taskChange,
    inTurn,
    toggleBillable: inTurn(() => attemptStore(() => store({ billable: !row.peek().entry?.billable }))),
    stepTime,
  };
}

/**
 * Return a typed time moved by minutes, or null when it is none.
 *
 * @param {string} text
 * @param {number} minutes
 * @param {number} near
 */
function stepTime(text, minutes, near) {
  const time = parseTime(text);
  const shown = time && instantNear(time, { near, zone: zone.peek(), isAllowed: () => true });
  return shown ? formatTime(shown + minutes * MINUTE_MS, zone.peek()) : null;
}

/**
 * Give an entry to another task, to a new one, or give its task another title.
 *
 * @param {import("./day.js").Day} day
 * @param {Row} row
 * @param {Choice} choice
 */
function changeTask(day, row, choice) {
  const { entry, id, taskId, title } = row;
  return attempt(async () => {
    if (!entry || (choice.id ? choice.id === taskId : choice.title === title)) return;
    if (choice.isRename) {
      await updateTask({ id: taskId, title }, { title: choice.title });
      day.patch(id, { task_title: choice.title });
      return;
    }
    const task = choice.id ? choice : await createTask({ title: choice.title, project_id: row.projectId });
    const target = { task_id: task.id ?? "", task_title: choice.title };
    await moveEntry(entry, target.task_id, choice.title);
    day.patch(id, choice.id ? { ...target, project_id: choice.projectId } : target);
  });
}

/** @param {() => Promise<string | null>} store */
async function attemptStore(store) {
  return attempt(async () => {
    const error = await store();
    if (error) throw new Error(error);
  });
}

/** @param {any} answer @returns {Partial<import("../../types").ListedEntry>} */
function withoutOverlaps({ overlaps, ...entry }) {
  return entry;
}

/**
 * @param {import("../../store/entries.js").EntryFields} fields
 * @returns {Partial<import("../../types").ListedEntry>}
 */
function asEntry({ startedAt, endedAt, needsReview, ...rest }) {
  return {
    ...rest,
    ...(startedAt === undefined ? {} : { started_at: isoInstant(startedAt) }),
    ...(endedAt === undefined ? {} : { ended_at: isoInstant(endedAt) }),
    ...(needsReview === undefined ? {} : { needs_review: needsReview }),
  };
}
