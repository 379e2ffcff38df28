// The dialog that creates or changes one time entry.

import { h } from "../lib/dom.js";
import { signal } from "../lib/signal.js";
import { createEntry, moveEntry, updateEntry } from "../store/entries.js";
import { zone } from "../store/profile.js";
import { createTask, findTask } from "../store/tasks.js";
import { t } from "../text/index.js";
import { formatHours } from "../time/durations.js";
import { dayOf, instantOf, timeOf } from "../time/zones.js";
import { showDialog } from "./dialog.js";
import { describeByField, fieldError, submission } from "./submission.js";
import { parseTags, tagsField } from "./tags_field.js";
import { taskPicker } from "./task_picker.js";

/** The fields, as the bodies of the requests name them. */
const FIELDS = /** @type {const} */ (["title", "started_at", "ended_at", "note", "tags"]);

/**
 * @typedef {Record<string, string>} Errors What is wrong, by field; by "" what is wrong with no field.
 *
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
  const errors = signal(/** @type {Errors} */ ({}));
  /** @param {Errors} next */
  function show(next) {
    errors.value = next;
    const first = FIELDS.find((name) => next[name]);
    if (first) state.inputs[first].focus();
  }
  const onsubmit = submission({
    check() {
      show(state.problems());
      return Object.keys(errors.peek()).length === 0;
    },
    async save() {
      await store(draft, state);
      close(true);
    },
    onfailure: (failure) => show(describeByField(failure, FIELDS)),
  });
  return h(
    "form",
    { class: "entry-form", onsubmit, novalidate: true },
    fieldRows(state, errors),
    h("p", { class: "form-error", role: "alert" }, () => errors.value[""] ?? ""),
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
 * @param {ReturnType<typeof fieldsOf>} state
 * @param {import("../lib/signal.js").ReadSignal<Errors>} errors
 */
function fieldRows(state, errors) {
  const { title, note, tags } = state.inputs;
  /** @param {typeof FIELDS[number]} name @param {HTMLElement[]} controls */
  const error = (name, ...controls) => fieldError(() => errors.value[name] ?? "", ...controls);
  /** @param {string} label @param {HTMLElement} element @param {HTMLElement} text */
  const row = (label, element, text) =>
    h("div", { class: "field" }, h("span", { class: "label" }, label), element, text);
  return [
    row(t("entry.task"), state.picker.element, error("title", title)),
    timeRow(t("entry.from"), state.from, error("started_at", state.from.day, state.from.time)),
    timeRow(t("entry.to"), state.to, error("ended_at", state.to.day, state.to.time)),
    h("p", { class: "muted" }, () => {
      const seconds = state.seconds();
      return seconds === null ? "" : t("entry.duration", { duration: formatHours(seconds) });
    }),
    h("div", { class: "field" }, h("label", { class: "field" }, t("entry.note"), note), error("note", note)),
    row(t("entry.tags"), state.tagsBox, error("tags", tags)),
  ];
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
  const title = signal(draft.task?.title ?? "");
  const task = signal(draft.task);
  const tags = signal(draft.tags);
  const from = timeFields(draft.startedAt);
  const to = timeFields(draft.endedAt);
  const note = h("textarea", { rows: 3, maxlength: 5000, value: draft.note ?? "" });
  const picker = taskPicker({
    label: t("entry.task"),
    text: title,
    onchoose: (choice) => {
      title.value = choice.title;
      task.value = choice.id ? { id: choice.id, title: choice.title } : null;
    },
  });
  const tagsBox = tagsOf(tags);
  const tagsInput = /** @type {HTMLInputElement} */ (tagsBox.querySelector("input"));
  const seconds = () => {
    const [start, end] = [from.instant(), to.instant()];
    return start === null || end === null ? null : Math.floor((end - start) / 1000);
  };
  /** @returns {Errors} */
  function problems() {
    const length = seconds();
    return {
      ...(title.peek().trim() ? {} : { title: t("entry.no_task") }),
      ...(from.instant() === null ? { started_at: t("entry.no_time") } : {}),
      ...(to.instant() === null ? { ended_at: t("entry.no_time") } : {}),
      ...(length !== null && length < 1 ? { ended_at: t("entry.ends_before_start") } : {}),
    };
  }
  const inputs = { title: picker.input, started_at: from.time, ended_at: to.time, note, tags: tagsInput };
  return { title, task, from, to, tags, note, picker, tagsBox, inputs, seconds, problems };
}

/**
 * Create the fields of an instant.
 *
 * @param {number} initial
 */
function timeFields(initial) {
  const name = zone.peek();
  const day = signal(dayOf(initial, name));
  const time = signal(timeOf(initial, name, { hasSeconds: true }));
  /** The hour that a clock change repeats has two instants for a time: an untouched field keeps its own. */
  function isUnchanged() {
    const isSame = day.value === dayOf(initial, name) && time.value.slice(0, 5) === timeOf(initial, name);
    return isSame && (time.value.length === 5 || time.value === timeOf(initial, name, { hasSeconds: true }));
  }
  return {
    day: input("date", t("entry.date"), day),
    time: input("time", t("entry.time"), time),
    /** Return the instant, or null while a field is empty. */
    instant() {
      if (!day.value || !time.value) return null;
      return isUnchanged() ? initial : instantOf(day.value, time.value, name);
    },
  };
}

/**
 * @param {Draft} draft
 * @param {ReturnType<typeof fieldsOf>} state
 */
async function store(draft, state) {
  const task = await taskOf(state);
  const fields = {
    startedAt: state.from.instant() ?? draft.startedAt,
    endedAt: state.to.instant() ?? draft.endedAt,
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
  if (chosen?.title === title) return chosen;
  const { id } = (await findTask(title)) ?? (await createTask({ title }));
  // The service can refuse the entry after that: saved again, it belongs to the same task.
  const task = { id: /** @type {string} */ (id), title };
  state.task.value = task;
  return task;
}

/**
 * @param {string} label
 * @param {ReturnType<typeof timeFields>} fields
 * @param {HTMLElement} error
 */
function timeRow(label, { day, time }, error) {
  return h("fieldset", { class: "time-row" }, h("legend", null, label), day, time, error);
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

/** @param {import("../lib/signal.js").Signal<string[]>} tags */
function tagsOf(tags) {
  return tagsField({
    label: t("entry.tags"),
    tags,
    onchange: (typed) => {
      tags.value = parseTags(typed.join(","));
    },
  });
}
