// A row of the list of tasks: each field is changed in place.

import { h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { icon, projectDot } from "../../parts/icons.js";
import { now } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { elapsed, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatHours, parseDuration } from "../../time/durations.js";
import { formatDateTime } from "../../time/format.js";
import { dayOf } from "../../time/zones.js";
import { STATUSES } from "./filters.js";
import { dateField, projectField, selectField, textField } from "./inline_fields.js";
import { dueOf, PRIORITIES } from "./task_fields.js";

/**
 * @typedef {import("../../types").Task} Task
 * @typedef {import("../../lib/signal.js").ReadSignal<Task>} TaskSignal
 *
 * @typedef {object} Actions
 * @property {(task: Task, fields: Partial<Task>) => void} change
 * @property {(task: Task) => void} open
 * @property {(task: Task) => void} trash
 * @property {(task: Task) => void} restore
 * @property {(task: Task) => void} toggleTimer
 * @property {(id: string) => boolean} isSelected
 * @property {(id: string, isSelected: boolean) => void} select
 */

/**
 * @param {TaskSignal} task
 * @param {Actions} actions
 * @returns {Element[]}
 */
export function taskRow(task, actions) {
  const title = computed(() => task.value.title);
  const { id } = task.peek();
  return [
    h("input", {
      type: "checkbox",
      class: "task-select",
      "data-control": "select",
      "aria-label": () => t("tasks.select", { title: title.value }),
      checked: () => actions.isSelected(id),
      onchange: (/** @type {Event} */ { target }) =>
        actions.select(id, /** @type {HTMLInputElement} */ (target).checked),
    }),
    titleCell(task, title, actions),
    ...(task.peek().deleted_at ? trashedCells(task, title, actions) : openCells(task, title, actions)),
  ];
}

/**
 * @param {TaskSignal} task
 * @param {import("../../lib/signal.js").ReadSignal<string>} title
 * @param {Actions} actions
 */
function titleCell(task, title, actions) {
  const isCompleted = () => task.value.status === "completed";
  const tags = computed(() => task.value.tags.join(", "));
  const content = [h("bdi", null, () => title.value)];
  return h(
    "div",
    { class: () => (isCompleted() ? "task-title is-completed" : "task-title") },
    task.peek().deleted_at
      ? h("span", { class: "task-name" }, content)
      : h(
          "button",
          {
            type: "button",
            class: "task-name",
            "data-control": "open",
            "aria-label": () => t("tasks.edit_of", { title: title.value }),
            title: () => title.value,
            onclick: () => actions.open(task.peek()),
          },
          content,
        ),
    () => tags.value && h("span", { class: "task-tags", title: tags.value }, h("bdi", null, tags.value)),
  );
}

/**
 * @param {TaskSignal} task
 * @param {import("../../lib/signal.js").ReadSignal<string>} title
 * @param {Actions} actions
 */
function openCells(task, title, actions) {
  /** @param {string} name */
  const label = (name) => () => t(`tasks.${name}_of`, { title: title.value });
  /** @param {Partial<Task>} fields */
  const change = (fields) => actions.change(task.peek(), fields);
  const status = computed(() => task.value.status);
  const priority = computed(() => String(task.value.priority ?? ""));
  const isRunning = computed(() => timer.value?.taskId === task.value.id);
  return [
    selectField({
      control: "status",
      label: label("status"),
      value: status,
      options: STATUSES.map((each) => [each, t(`tasks.status_${each}`)]),
      className: () => `task-status is-${status.value}`,
      onchange: (value) => change({ status: /** @type {Task["status"]} */ (value) }),
    }),
    projectCell(task, label("project"), change),
    dueCell(task, label("due"), change),
    selectField({
      control: "priority",
      label: label("priority"),
      value: priority,
      options: [["", "–"], ...PRIORITIES.map((each) => [String(each), `P${each}`])],
      className: () => "task-priority",
      onchange: (value) => change({ priority: value === "" ? null : Number(value) }),
    }),
    timeCell(task, label("estimate"), change),
    h(
      "button",
      {
        type: "button",
        class: () => (isRunning.value ? "stop task-timer" : "task-timer"),
        "data-control": "timer",
        "aria-label": () => t(isRunning.value ? "tasks.stop_of" : "tasks.start_of", { title: title.value }),
        onclick: () => actions.toggleTimer(task.peek()),
      },
      () => t(isRunning.value ? "timer.stop" : "timer.start"),
    ),
    h(
      "button",
      {
        type: "button",
        class: "quiet icon-button task-trash",
        "data-control": "trash",
        "aria-label": () => t("tasks.trash_of", { title: title.value }),
        title: t("tasks.move_to_trash"),
        onclick: () => actions.trash(task.peek()),
      },
      icon("delete"),
    ),
  ];
}

/**
 * @param {TaskSignal} task
 * @param {import("../../lib/signal.js").ReadSignal<string>} title
 * @param {Actions} actions
 */
function trashedCells(task, title, actions) {
  const deleted = () => formatDateTime(Date.parse(task.value.deleted_at ?? ""), zone.value);
  return [
    h("span", { class: "task-deleted muted" }, () => t("tasks.deleted_at", { time: deleted() })),
    h(
      "button",
      {
        type: "button",
        class: "task-restore",
        "data-control": "restore",
        "aria-label": () => t("tasks.restore_of", { title: title.value }),
        onclick: () => actions.restore(task.peek()),
      },
      t("tasks.restore"),
    ),
  ];
}

/**
 * @param {TaskSignal} task
 * @param {() => string} label
 * @param {(fields: Partial<Task>) => void} change
 */
function projectCell(task, label, change) {
  const projectId = computed(() => task.value.project_id ?? "");
  return h(
    "div",
    { class: () => (projectId.value ? "task-project" : "task-project is-empty") },
    () => projectDot(project(projectId.value) ? projectId.value : null),
    projectField({ label, projectId, onchange: (id) => change({ project_id: id || null }) }),
  );
}

/**
 * @param {TaskSignal} task
 * @param {() => string} label
 * @param {(fields: Partial<Task>) => void} change
 */
function dueCell(task, label, change) {
  const due = computed(() => task.value.due_at);
  const day = computed(() => (due.value ? dayOf(Date.parse(due.value), zone.value) : ""));
  const isOverdue = computed(
    () => due.value !== null && task.value.status !== "completed" && Date.parse(due.value) < now(),
  );
  return h(
    "div",
    { class: () => `task-due${isOverdue.value ? " is-overdue" : ""}${day.value ? "" : " is-empty"}` },
    dateField({
      label: () => `${label()}${isOverdue.value ? ` (${t("tasks.due_overdue")})` : ""}`,
      day,
      onchange: (value) => change({ due_at: dueOf(value, "", due.peek()) }),
    }),
  );
}

/**
 * The tracked time against the estimate.
 *
 * @param {TaskSignal} task
 * @param {() => string} label
 * @param {(fields: Partial<Task>) => void} change
 */
function timeCell(task, label, change) {
  const estimate = computed(() => task.value.estimate_seconds);
  const tracked = computed(
    () => task.value.tracked_seconds + (timer.value?.taskId === task.value.id ? elapsed.value : 0),
  );
  const isOver = computed(() => estimate.value !== null && tracked.value > estimate.value);
  return h(
    "div",
    { class: () => (isOver.value ? "task-time is-over" : "task-time") },
    h("span", { class: "task-tracked" }, () => formatHours(tracked.value)),
    h("span", { "aria-hidden": "true" }, "/"),
    textField({
      control: "estimate",
      label,
      text: computed(() => (estimate.value === null ? "" : formatHours(estimate.value))),
      placeholder: "–:––",
      invalid: t("tasks.no_duration"),
      parse: (text) => (text === "" ? { value: null } : wrap(parseDuration(text))),
      onchange: (value) => change({ estimate_seconds: value }),
    }),
    () =>
      estimate.value !== null &&
      h(
        "span",
        { class: "task-bar", "aria-hidden": "true" },
        h("span", {
          class: "task-bar-fill",
          ref: (/** @type {HTMLElement} */ fill) =>
            fill.style.setProperty("inline-size", `${percent(tracked.value, estimate.value)}%`),
        }),
      ),
    () =>
      isOver.value &&
      h("span", { class: "task-over" }, t("tasks.over", { time: formatHours(tracked.value - (estimate.value ?? 0)) })),
  );
}

/** @param {number | null} value */
function wrap(value) {
  return value === null ? null : { value };
}

/**
 * @param {number} tracked
 * @param {number | null} estimate
 */
function percent(tracked, estimate) {
  return estimate ? Math.min(100, Math.round((tracked / estimate) * 100)) : 100;
}
