// Store what is typed into the timesheet. Each change can be undone.

import { h } from "../../lib/dom.js";
import { showDialog } from "../../parts/dialog.js";
import { editEntry } from "../../parts/entry_dialog.js";
import { attemptOnce, notifyWithUndo } from "../../parts/notice.js";
import { now } from "../../store/clock.js";
import { createEntry, deleteEntry, restoreEntry, updateEntry } from "../../store/entries.js";
import { weekStart, zone } from "../../store/profile.js";
import { workQueue } from "../../store/resource.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";
import { dayRange, weekRange } from "../../time/zones.js";
import { copyEntries, entriesOfCell } from "./entries.js";
import { planChange } from "./plan.js";

/**
 * @typedef {{id: string, title: string}} Task
 * @typedef {import("../../types").ListedEntry} ListedEntry
 */

/** The service accepts entries that end up to a day from now. */
const MAX_FUTURE_MS = 86_400_000;

/** Changes are stored one after the other: each is placed after the entries that the ones before it have created. */
const inOrder = workQueue();

/**
 * Make a task have these seconds on a day. Throws when the service refuses it.
 *
 * @param {Task} task
 * @param {string} day
 * @param {number} seconds
 * @returns {Promise<boolean>} False when the person cancelled.
 */
export function storeDuration(task, day, seconds) {
  return inOrder(() => change(task, day, seconds));
}

/**
 * @param {Task} task
 * @param {string} day
 * @param {number} seconds
 */
async function change(task, day, seconds) {
  const range = dayRange(day, zone.peek());
  const entries = await entriesOfCell(range, task.id, weekRange(day, weekStart.peek(), zone.peek()));
  const plan = planChange({ day, range, ...entries }, seconds, { zone: zone.peek(), now: now() });
  if (plan.kind === "ask") return askAbout(task, plan.entries, plan.excess);
  if (plan.kind === "create") await add(task, plan.from, plan.to);
  if (plan.kind === "shorten") await shorten(task, plan.entry, plan.to);
  if (plan.kind === "delete") await remove(task, plan.entry);
  return true;
}

/**
 * Copy the entries of the week before into a week, with their times.
 *
 * @param {{from: number, to: number}} lastWeek
 */
export async function copyTimes(lastWeek) {
  // A second copy sees what the first one has created.
  const { created, skipped } = await inOrder(() => copyEntries(lastWeek, 7, zone.peek(), now() + MAX_FUTURE_MS));
  const text = t("timesheet.copied", { count: created.length, skipped });
  notifyWithUndo(text, async () => {
    for (const entry of created) await deleteEntry(entry, text);
  });
}

/**
 * @param {Task} task
 * @param {number} from
 * @param {number} to
 */
async function add(task, from, to) {
  const answer = await createEntry(task, { startedAt: from, endedAt: to });
  if (!answer.isSent) return;
  const text = t("timesheet.added", { title: task.title, times: timesText(from, to) });
  notifyWithUndo(text, () => deleteEntry(answer.data, task.title));
}

/**
 * @param {Task} task
 * @param {ListedEntry} entry
 * @param {number} to
 */
async function shorten(task, entry, to) {
  const [from, end] = [Date.parse(entry.started_at), Date.parse(entry.ended_at ?? "")];
  await updateEntry(entry, { endedAt: to }, task.title);
  const text = t("timesheet.shortened", { title: task.title, times: timesText(from, to) });
  notifyWithUndo(text, () => updateEntry(entry, { endedAt: end }, task.title));
}

/**
 * @param {Task} task
 * @param {ListedEntry} entry
 */
async function remove(task, entry) {
  await deleteEntry(entry, task.title);
  notifyWithUndo(t("week.deleted", { title: task.title }), () => restoreEntry(entry.id, task.title));
}

/**
 * Ask which of several entries becomes shorter.
 *
 * @param {Task} task
 * @param {ListedEntry[]} entries
 * @param {number} excess The seconds that are too many.
 */
async function askAbout(task, entries, excess) {
  const title = t("timesheet.which", { title: task.title, duration: formatHours(excess) });
  const answer = await showDialog(title, (/** @type {(isDone?: boolean) => void} */ close) => [
    // Not a button: the Enter of somebody who types on would press it.
    h(
      "ul",
      { class: "timesheet-entries", tabindex: "-1", autofocus: true },
      entries.map((entry) => choice(task, entry, excess, close)),
    ),
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: () => close(false) }, t("common.cancel")),
    ),
  ]);
  return answer === true;
}

/**
 * @param {Task} task
 * @param {ListedEntry} entry
 * @param {number} excess
 * @param {(isDone?: boolean) => void} close
 */
function choice(task, entry, excess, close) {
  const [from, to] = [Date.parse(entry.started_at), Date.parse(entry.ended_at ?? "")];
  if (entry.ended_at === null) return h("li", null, `${formatTime(from, zone.peek())} – `, t("week.is_running"));
  const times = timesText(from, to);
  /** @param {() => Promise<unknown>} action */
  const run = (action) =>
    attemptOnce(async () => {
      await action();
      close(true);
    });
  const shortened = to - excess * 1000;
  const { note, tags } = entry;
  const edit = attemptOnce(async () => {
    const draft = { entry, task: { id: task.id, title: task.title }, startedAt: from, endedAt: to, note, tags };
    // The cell shows what is stored then, which may be another time than the one that was typed.
    if (await editEntry(draft)) close(false);
  });
  return h(
    "li",
    null,
    h("span", { class: "number" }, times),
    h("span", { class: "muted timesheet-note" }, note),
    shortened > from &&
      h(
        "button",
        {
          type: "button",
          "aria-label": `${t("timesheet.shorten")} ${times}`,
          onclick: run(() => shorten(task, entry, shortened)),
        },
        t("timesheet.shorten"),
      ),
    h(
      "button",
      { type: "button", "aria-label": `${t("timesheet.edit")} ${times}`, onclick: edit },
      t("timesheet.edit"),
    ),
    h(
      "button",
      {
        type: "button",
        class: "danger",
        "aria-label": `${t("common.delete")} ${times}`,
        onclick: run(() => remove(task, entry)),
      },
      t("common.delete"),
    ),
  );
}

/**
 * @param {number} from
 * @param {number} to
 */
function timesText(from, to) {
  return `${formatTime(from, zone.peek())} – ${formatTime(to, zone.peek())}`;
}
