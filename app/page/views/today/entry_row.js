// One ended entry: every field is edited in place.

import { h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { openEntryDialog } from "../../parts/dialog.js";
import { editField } from "../../parts/edit_field.js";
import { icon } from "../../parts/icons.js";
import { attempt } from "../../parts/notice.js";
import { describeOverlaps } from "../../parts/overlaps.js";
import { tagSuggestions } from "../../parts/tags_field.js";
import { startWork } from "../../parts/timer/start_work.js";
import { isoInstant, now } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDay, formatTime } from "../../time/format.js";
import { dayOf } from "../../time/zones.js";
import { deleteRow } from "./deletion.js";
import { entryEdits } from "./entry_edits.js";
import { taskCell } from "./task_cell.js";

/**
 * @typedef {import("./day.js").Row} Row
 * @typedef {import("../../lib/signal.js").ReadSignal<Row>} RowSignal
 * @typedef {import("./day.js").Day} Day
 */

/**
 * Create a row of the list.
 *
 * @param {Day} day
 * @param {RowSignal} row
 */
export function entryRow(day, row) {
  const errorId = `entry-error-${row.peek().id}`;
  const error = signal("");
  const isPending = computed(() => row.value.entry === null);
  const fields = createFields(day, row, { errorId, error });
  return h(
    "li",
    {
      class: () => (isPending.value ? "entry-row is-pending" : "entry-row"),
      "data-entry": () => row.value.id,
      "aria-label": () => t("today.entry", describe(row.value)),
    },
    taskCell(row, fields.edits.changeTask),
    () =>
      project(row.value.projectId) && h("bdi", { class: "entry-project muted" }, project(row.value.projectId)?.name),
    fields.note,
    fields.tags,
    h(
      "span",
      { class: "entry-times" },
      h("span", { class: "entry-day muted" }, () => otherDay(row.value.startedAt, day)),
      fields.start,
      h("span", { "aria-hidden": "true" }, "–"),
      fields.end,
      h("span", { class: "entry-day muted" }, () => otherDay(row.value.endedAt - 1, day)),
    ),
    fields.duration,
    actions(day, row, isPending, fields.edits),
    h("p", { id: errorId, class: "entry-error", role: "alert", hidden: () => !error.value }, () => error.value),
    () => hints(day, row.value).map((hint) => h("p", { class: "entry-hint" }, icon("review"), hint)),
  );
}

/**
 * @param {Day} day
 * @param {RowSignal} row
 * @param {{errorId: string, error: import("../../lib/signal.js").Signal<string>}} problem
 */
function createFields(day, row, { errorId, error }) {
  const edits = entryEdits(day, row);
  const shared = {
    errorId,
    onerror: (/** @type {string} */ text) => {
      error.value = text;
    },
  };
  /** @param {"startedAt" | "endedAt"} name @param {string} label @param {(text: string) => Promise<string | null>} save */
  function timeField(name, label, save) {
    const input = editField({
      ...shared,
      label,
      text: () => formatTime(row.value[name], zone.value),
      save,
      step: (minutes) => edits.stepTime(input.value, minutes, row.peek()[name]),
      attributes: { class: "ghost time-field", disabled: () => !row.value.entry },
    });
    return input;
  }
  const tags = editField({
    ...shared,
    label: t("entry.tags"),
    text: () => row.value.entry?.tags.join(", ") ?? "",
    save: edits.saveTags,
    attributes: { class: "ghost", placeholder: t("today.add_tags"), disabled: () => !row.value.entry },
  });
  return {
    edits,
    start: timeField("startedAt", t("entry.from"), edits.saveStart),
    end: timeField("endedAt", t("entry.to"), edits.saveEnd),
    duration: editField({
      ...shared,
      label: t("today.duration"),
      text: () => formatHours((row.value.endedAt - row.value.startedAt) / 1000),
      save: edits.saveDuration,
      attributes: { class: "ghost duration-field", disabled: () => !row.value.entry },
    }),
    note: editField({
      ...shared,
      label: t("entry.note"),
      text: () => row.value.entry?.note ?? "",
      save: edits.saveNote,
      attributes: {
        class: "ghost entry-note",
        placeholder: t("today.add_note"),
        maxlength: 5000,
        disabled: () => !row.value.entry,
      },
    }),
    tags: h("span", { class: "entry-tags" }, tags, tagSuggestions(tags)),
  };
}

/**
 * @param {() => Promise<unknown>} toggle
 * @param {RowSignal} row
 */
function billableButton(toggle, row) {
  return h(
    "button",
    {
      type: "button",
      class: "quiet icon-button billable",
      "aria-pressed": () => String(row.value.entry?.billable ?? false),
      "aria-label": t("today.billable"),
      title: t("today.billable"),
      disabled: () => !row.value.entry,
      onclick: () => toggle(),
    },
    icon("billable"),
  );
}

/**
 * @param {Day} day
 * @param {RowSignal} row
 * @param {import("../../lib/signal.js").ReadSignal<boolean>} isPending
 * @param {ReturnType<typeof entryEdits>} edits
 */
function actions(day, row, isPending, { inTurn, taskChanged, toggleBillable }) {
  let isActing = false;
  /** Act on the row as it is stored. A second click in the meantime does nothing. @param {(row: Row) => unknown} action */
  const once = (action) => async () => {
    if (isActing) return;
    isActing = true;
    await inTurn(async () => action(row.peek()))();
    isActing = false;
  };
  /** @param {string} name @param {string} label @param {() => unknown} onclick */
  const button = (name, label, onclick) =>
    h(
      "button",
      {
        type: "button",
        class: "quiet icon-button",
        "aria-label": label,
        title: label,
        disabled: () => isPending.value,
        onclick,
      },
      icon(name),
    );
  return h(
    "span",
    { class: "entry-actions" },
    billableButton(toggleBillable, row),
    button("continue", t("today.continue"), async () => {
      const at = now();
      await taskChanged();
      await continueRow(row.peek(), at);
    }),
    button(
      "split",
      t("today.split"),
      once((stored) => split(day, stored)),
    ),
    button("edit", t("entry.edit"), once(editRow)),
    button(
      "delete",
      t("common.delete"),
      once((stored) => deleteRow(day, stored)),
    ),
  );
}

/**
 * @param {Row} row
 * @param {number} at
 */
async function continueRow({ taskId, title, projectId, entry }, at) {
  if (timer.peek()?.taskId === taskId) return;
  await startWork({ taskId, title, projectId, tags: entry?.tags ?? [] }, { at });
}

/**
 * @param {Day} day
 * @param {Row} row
 */
async function split(day, row) {
  await attempt(async () => (await import("./split_dialog.js")).splitRow(day, row));
}

/** @param {Row} row */
async function editRow({ entry, taskId, title, startedAt, endedAt }) {
  if (!entry) return;
  await openEntryDialog({ entry, task: { id: taskId, title }, startedAt, endedAt, note: entry.note, tags: entry.tags });
}

/**
 * Return what a person should know about an entry.
 *
 * @param {Day} day
 * @param {Row} row
 * @returns {string[]}
 */
function hints(day, row) {
  const hints = [];
  if (!row.entry) hints.push(t("today.not_stored"));
  if (row.entry?.needs_review) hints.push(t("today.needs_review"));
  if (row.overlaps.length > 0)
    hints.push(
      describeOverlaps(
        row.overlaps.map((other) => toOverlap(row, other)),
        () => row.overlaps[0]?.title,
      ),
    );
  const isWhole = row.startedAt >= day.range.peek().from && row.endedAt <= day.range.peek().to;
  if (!isWhole) hints.push(t("today.part", { duration: formatHours(row.seconds) }));
  return hints;
}

/** @param {Row} row @param {Row} other @returns {import("../../types").Overlap} */
function toOverlap(row, other) {
  const milliseconds = Math.min(row.endedAt, other.endedAt) - Math.max(row.startedAt, other.startedAt);
  return {
    task_id: other.taskId,
    entry_id: other.id,
    started_at: isoInstant(other.startedAt),
    ended_at: isoInstant(other.endedAt),
    overlap_seconds: Math.floor(milliseconds / 1000),
  };
}

/**
 * Return the day of an instant, unless it is the one that is shown.
 *
 * @param {number} instant
 * @param {Day} day
 */
function otherDay(instant, day) {
  const own = dayOf(instant, zone.value);
  return own === day.day.value ? "" : formatDay(own, { weekday: "short" });
}

/** @param {Row} row */
function describe({ title, startedAt, endedAt }) {
  return { title, from: formatTime(startedAt, zone.value), to: formatTime(endedAt, zone.value) };
}
