// The dialog that creates or changes one time entry.

import { h } from "../lib/dom.js";
import { signal } from "../lib/signal.js";
import { createEntry, moveEntry, updateEntry } from "../store/entries.js";
import { zone } from "../store/profile.js";
import { createTask } from "../store/tasks.js";
import { t } from "../text/index.js";
import { formatHours } from "../time/durations.js";
import { dayOf, instantOf, timeOf } from "../time/zones.js";
import { showDialog } from "./dialog.js";
import { describeError } from "./notice.js";
import { parseTags, tagsField } from "./tags_field.js";
import { taskPicker } from "./task_picker.js";

/**
 * @typedef {object} Draft An entry as the dialog shows it.
 * @property {{id: string, task_id: string} | null} entry Null for a new one.
 * @property {{id: string, title: string} | null} task
 * @property {number} startedAt
 * @property {number} endedAt
 * @property {string | null} note
 * @property {string[]} tags
 * @property {boolean} [billable]
 */

/**
 * Show the dialog until the entry is stored or the person cancels.
 *
 * @param {Draft} draft
 * @param {{ondelete?: () => void}} [options] With `ondelete` the dialog offers to delete the entry.
 * @returns {Promise<boolean>} Whether something was stored.
 */
export async function editEntry(draft, { ondelete } = {}) {
  const title = t(draft.entry ? "entry.edit" : "entry.new");
  return (
    (await showDialog(title, (/** @type {(isStored?: boolean) => void} */ close) => form(draft, close, ondelete))) ===
    true
  );
}

/**
 * @param {Draft} draft
 * @param {(isStored?: boolean) => void} close
 * @param {() => void} [ondelete]
 */
function form(draft, close, ondelete) {
  const state = fieldsOf(draft);
  const error = signal("");
  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    const problem = state.problem();
    if (problem) {
      error.value = problem;
      return;
    }
    try {
      await store(draft, state);
      close(true);
    } catch (failure) {
      error.value = describeError(failure);
    }
  }
  return h(
    "form",
    { class: "entry-form", onsubmit, novalidate: true },
    h("div", { class: "field" }, h("span", { class: "label" }, t("entry.task")), state.picker.element),
    timeRow(t("entry.from"), state.fromDay, state.fromTime),
    timeRow(t("entry.to"), state.toDay, state.toTime),
    h("p", { class: "muted" }, () => {
      const seconds = state.seconds();
      return seconds === null ? "" : t("entry.duration", { duration: formatHours(seconds) });
    }),
    h("label", { class: "field" }, t("entry.note"), state.note),
    h("div", { class: "field" }, h("span", { class: "label" }, t("entry.tags")), tagsOf(state)),
    h("p", { class: "form-error", role: "alert" }, () => error.value),
    h(
      "div",
      { class: "form-actions" },
      ondelete && deleteButton(close, ondelete),
      h("button", { type: "button", onclick: () => close() }, t("common.cancel")),
      h("button", { type: "submit", class: "primary" }, t("common.save")),
    ),
  );
}

/**
 * @param {() => void} close
 * @param {() => void} ondelete
 */
function deleteButton(close, ondelete) {
  const run = () => {
    close();
    ondelete();
  };
  return h("button", { type: "button", class: "danger", onclick: run }, t("common.delete"));
}

/** @param {Draft} draft */
function fieldsOf(draft) {
  const name = zone.peek();
  const title = signal(draft.task?.title ?? "");
  const task = signal(draft.task);
  const fromDay = signal(dayOf(draft.startedAt, name));
  const fromTime = signal(timeOf(draft.startedAt, name, { hasSeconds: true }));
  const toDay = signal(dayOf(draft.endedAt, name));
  const toTime = signal(timeOf(draft.endedAt, name, { hasSeconds: true }));
  const tags = signal(draft.tags);
  const note = h("textarea", { rows: 3, maxlength: 5000, value: draft.note ?? "" });
  const picker = taskPicker({
    label: t("entry.task"),
    text: title,
    onchoose: (choice) => {
      title.value = choice.title;
      task.value = choice.id ? { id: choice.id, title: choice.title } : null;
    },
  });
  const from = () =>
    unchanged(fromDay.value, fromTime.value, draft.startedAt) ?? instantOf(fromDay.value, fromTime.value, name);
  const to = () => unchanged(toDay.value, toTime.value, draft.endedAt) ?? instantOf(toDay.value, toTime.value, name);
  const seconds = () =>
    fromDay.value && fromTime.value && toDay.value && toTime.value ? Math.floor((to() - from()) / 1000) : null;
  function problem() {
    if (!title.peek().trim()) return t("entry.no_task");
    const length = seconds();
    if (length === null) return t("entry.no_time");
    return length < 1 ? t("entry.ends_before_start") : null;
  }
  return { title, task, fromDay, fromTime, toDay, toTime, tags, note, picker, from, to, seconds, problem };

  /**
   * The hour that a clock change repeats has two instants for a time: an untouched field keeps its own.
   *
   * @param {string} day
   * @param {string} time
   * @param {number} instant
   */
  function unchanged(day, time, instant) {
    const isSame = day === dayOf(instant, name) && time.slice(0, 5) === timeOf(instant, name);
    return isSame && (time.length === 5 || time === timeOf(instant, name, { hasSeconds: true })) ? instant : null;
  }
}

/**
 * @param {Draft} draft
 * @param {ReturnType<typeof fieldsOf>} state
 */
async function store(draft, state) {
  const task = await taskOf(state);
  const fields = {
    startedAt: state.from(),
    endedAt: state.to(),
    note: state.note.value.trim() || null,
    tags: state.tags.peek(),
  };
  if (!draft.entry) {
    await createEntry(task, fields);
    return;
  }
  await updateEntry(draft.entry, fields, task.title);
  if (task.id !== draft.entry.task_id) await moveEntry(draft.entry, task.id, task.title);
}

/**
 * Return the chosen task. A title that belongs to none creates one.
 *
 * @param {ReturnType<typeof fieldsOf>} state
 */
async function taskOf(state) {
  const title = state.title.peek().trim();
  const chosen = state.task.peek();
  return chosen?.title === title ? chosen : createTask({ title });
}

/**
 * @param {string} label
 * @param {import("../lib/signal.js").Signal<string>} day
 * @param {import("../lib/signal.js").Signal<string>} time
 */
function timeRow(label, day, time) {
  return h(
    "fieldset",
    { class: "time-row" },
    h("legend", null, label),
    input("date", t("entry.date"), day),
    input("time", t("entry.time"), time),
  );
}

/**
 * @param {string} type
 * @param {string} label
 * @param {import("../lib/signal.js").Signal<string>} value
 */
function input(type, label, value) {
  const element = h("input", {
    type,
    "aria-label": label,
    step: type === "time" ? 1 : null,
    value: () => value.value,
    onchange: () => {
      value.value = element.value;
    },
  });
  return element;
}

/** @param {ReturnType<typeof fieldsOf>} state */
function tagsOf(state) {
  return tagsField({
    label: t("entry.tags"),
    tags: state.tags,
    onchange: (tags) => {
      state.tags.value = parseTags(tags.join(","));
    },
  });
}
