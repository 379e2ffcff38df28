// What a person does with the entries of the week. A change shows at once, and comes back when the service refuses it.

import { ApiError } from "../../api.js";
import { batch } from "../../lib/signal.js";
import { editEntry } from "../../parts/entry_dialog.js";
import { describeFailure, notify, notifyWithUndo } from "../../parts/notice.js";
import { now } from "../../store/clock.js";
import { deleteEntry, restoreEntry, updateEntry } from "../../store/entries.js";
import { zone } from "../../store/profile.js";
import { correct } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatTime } from "../../time/format.js";
import { HOUR_MS } from "./days.js";
import { snap } from "./times.js";

/**
 * @typedef {import("./model.js").WeekModel} WeekModel
 * @typedef {import("./model.js").Item} Item
 * @typedef {import("./model.js").Range} Range
 */

/** What Ctrl+Z undoes, the last change at the end. @type {Array<() => Promise<unknown>>} */
const undoable = [];
const MAX_UNDOABLE = 50;

/**
 * Give an entry other times. Shows them at once.
 *
 * @param {WeekModel} model
 * @param {Item} item
 * @param {Range} range
 */
export function changeTimes(model, item, range) {
  return track(storeTimes(model, item, range));
}

/**
 * @param {WeekModel} model
 * @param {Item} item
 * @param {Range} range
 */
async function storeTimes(model, item, range) {
  // An earlier change may still be on its way: then what is stored is not what this one begins with.
  const before = { from: item.from, to: item.to };
  const stored = { from: Date.parse(item.entry.started_at), to: Date.parse(item.entry.ended_at ?? "") };
  const isSame = (/** @type {Range} */ { from, to }) => range.from === from && (item.isRunning || range.to === to);
  if (isSame(before) && isSame(stored)) {
    model.drafts.remove(item.id);
    return;
  }
  const text = t("week.moved", { title: item.title, times: timesText(range) });
  const isDone = await commit(model, item, range, () => store(item, range));
  if (isDone) offerUndo(text, () => commit(model, item, before, () => store(item, before)));
}

/**
 * Create an entry in the dialog. The range is its first proposal.
 *
 * @param {WeekModel} model
 * @param {Range} range
 */
export async function createIn(model, range) {
  model.ghost.value = { ...range, id: null, title: t("entry.new") };
  try {
    const task = null;
    await editEntry({ entry: null, task, startedAt: range.from, endedAt: range.to, note: null, tags: [] });
  } finally {
    model.ghost.value = null;
  }
}

/**
 * Create an entry of one hour: at an instant, or before now.
 *
 * @param {WeekModel} model
 * @param {number} [instant]
 */
export function createAt(model, instant) {
  const step = model.step.peek();
  const from = instant ?? snap(now() - HOUR_MS, step, zone.peek());
  return createIn(model, { from, to: from + HOUR_MS });
}

/**
 * Show an entry in the dialog. A running one is corrected in the timer bar.
 *
 * @param {WeekModel} model
 * @param {Item} item
 */
export async function open(model, item) {
  if (item.isRunning) {
    notify(t("week.running"));
    return;
  }
  const { entry } = item;
  const { note, tags } = entry;
  const task = { id: entry.task_id, title: item.title };
  const draft = { entry, task, startedAt: item.from, endedAt: item.to, note, tags };
  await editEntry(draft, { ondelete: () => void remove(model, item) });
}

/**
 * Delete an entry without a question: it can be restored.
 *
 * @param {WeekModel} model
 * @param {Item} item
 */
export function remove(model, item) {
  return track(removeEntry(model, item));
}

/**
 * @param {WeekModel} model
 * @param {Item} item
 */
async function removeEntry(model, item) {
  if (item.isRunning) {
    notify(t("week.running"));
    return;
  }
  const isDone = await commit(model, item, null, () => deleteEntry(item.entry, item.title));
  if (isDone) offerUndo(t("week.deleted", { title: item.title }), () => restoreEntry(item.id, item.title));
}

/** The last change. It can be undone when it is stored. @type {Promise<void>} */
let lastChange = Promise.resolve();

/** @param {Promise<void>} change */
function track(change) {
  lastChange = change;
  return change;
}

/** Undo the last change, also while it is being stored. */
export async function undoLast() {
  await lastChange;
  const undo = undoable.pop();
  if (!undo) notify(t("week.nothing_to_undo"));
  else await undo().catch((error) => notify(describeFailure(error), { isError: true }));
}

/**
 * Return the times of a range as people read them.
 *
 * @param {Range} range
 */
export function timesText({ from, to }) {
  const name = zone.peek();
  return `${formatTime(from, name)} – ${formatTime(to, name)}`;
}

/**
 * @param {Item} item
 * @param {Range} range
 */
async function store({ entry, isRunning, title }, { from, to }) {
  if (!isRunning) return updateEntry(entry, { startedAt: from, endedAt: to }, title);
  await correct({ startedAt: from });
  return { isSent: false };
}

/** Changes are sent one after the other: of two changes of an entry, the later one holds. */
let sending = Promise.resolve();

/**
 * @param {WeekModel} model
 * @param {Item} item
 * @param {Range | null} range Null deletes it.
 * @param {() => Promise<{isSent: boolean, data?: any}>} send
 * @returns {Promise<boolean>} Whether it is done or will be.
 */
async function commit(model, item, range, send) {
  const draft = model.drafts.show(item.id, range);
  const answered = sending.then(send);
  sending = answered.then(
    () => {},
    () => {},
  );
  try {
    const answer = await answered;
    draft.isSending = false;
    if (answer.isSent) {
      batch(() => {
        model.list.data.value = merged(model.list.data.peek() ?? [], item.id, range && answer.data);
        model.drafts.remove(item.id, draft);
      });
    }
    return true;
  } catch (error) {
    model.drafts.remove(item.id, draft);
    notify(refusal(error, item), { isError: true });
    return false;
  }
}

/**
 * @param {import("./model.js").Entry[]} entries
 * @param {string} id
 * @param {Partial<import("./model.js").Entry> | null} answer
 */
function merged(entries, id, answer) {
  if (!answer) return entries.filter((entry) => entry.id !== id);
  return entries.map((entry) => (entry.id === id ? { ...entry, ...answer } : entry));
}

/**
 * @param {unknown} error
 * @param {Item} item
 */
function refusal(error, { title }) {
  if (error instanceof ApiError && error.code === "overlap") {
    const other = error.problem.overlaps?.[0];
    if (other) {
      const to = other.ended_at ? Date.parse(other.ended_at) : now();
      return t("week.refused_overlap", { title, times: timesText({ from: Date.parse(other.started_at), to }) });
    }
  }
  return t("week.refused", { title, reason: describeFailure(error) });
}

/**
 * @param {string} text
 * @param {() => Promise<unknown>} undo
 */
function offerUndo(text, undo) {
  undoable.push(undo);
  if (undoable.length > MAX_UNDOABLE) undoable.shift();
  notifyWithUndo(text, async () => {
    const index = undoable.indexOf(undo);
    if (index >= 0) undoable.splice(index, 1);
    await undo();
  });
}
