// The line above the rows: the titles of the columns, or what can be done with the selected tasks.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { attempt } from "../../parts/notice.js";
import { choiceField, moveFocus } from "../../parts/submission.js";
import { projects } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { STATUSES } from "./filters.js";
import { changeAll, restoreAll, trashAll } from "./task_actions.js";

const COLUMNS = ["title", "status", "project_id", "due_at", "priority", "estimate_seconds"];

/** @typedef {import("../../types").Task} Task */

/**
 * @param {object} options
 * @param {() => readonly Task[]} options.selected
 * @param {() => readonly Task[]} options.tasks
 * @param {() => boolean} options.isTrash
 * @param {(tasks: readonly Task[]) => void} options.select Replaces the selection.
 */
export function bulkBar({ selected, tasks, isTrash, select }) {
  const isBusy = signal(false);
  /** @param {(tasks: readonly Task[]) => Promise<unknown>} action */
  async function run(action) {
    if (isBusy.peek()) return;
    isBusy.value = true;
    const acted = new Set(selected().map(({ id }) => id));
    await action(selected());
    isBusy.value = false;
    // What was selected meanwhile stays.
    select(selected().filter(({ id }) => !acted.has(id)));
    moveFocus(bar, all);
  }
  const all = h("input", {
    type: "checkbox",
    class: "task-select",
    "aria-label": t("tasks.select_all"),
    checked: () => tasks().length > 0 && selected().length === tasks().length,
    indeterminate: () => selected().length > 0 && selected().length < tasks().length,
    onchange: () => {
      select(all.checked ? tasks() : []);
      all.checked = selected().length > 0; // not when nothing is loaded yet
    },
  });
  const bar = h("div", { class: () => (selected().length > 0 ? "bulk-bar is-active" : "bulk-bar") }, all, [
    () => (selected().length > 0 ? null : columns(isTrash())),
    h("span", { role: "status", class: "bulk-count" }, () =>
      selected().length > 0 ? t("tasks.selected", { count: selected().length }) : "",
    ),
    h(
      "div",
      { class: "bulk-actions", hidden: () => selected().length === 0 },
      h("fieldset", { disabled: () => isBusy.value }, [
        () => (isTrash() ? restoreButton(run) : actions(run)),
        h(
          "button",
          { type: "button", class: "link", onclick: () => [select([]), all.focus()] },
          t("tasks.clear_selection"),
        ),
      ]),
    ),
  ]);
  return bar;
}

/** @param {boolean} isTrash */
function columns(isTrash) {
  const names = isTrash ? COLUMNS.slice(0, 1) : COLUMNS;
  return names.map((name) =>
    h("span", { class: `column is-${name}`, "aria-hidden": "true" }, t(`tasks.column_${name}`)),
  );
}

/** @typedef {(action: (tasks: readonly Task[]) => Promise<unknown>) => Promise<void>} Run */

/** @param {Run} run */
function restoreButton(run) {
  const restore = (/** @type {readonly Task[]} */ tasks) => attempt(() => restoreAll(tasks));
  return h("button", { type: "button", onclick: () => run(restore) }, t("tasks.restore"));
}

/** @param {Run} run */
function actions(run) {
  return [
    choice(
      t("tasks.set_status"),
      () => STATUSES.map((each) => [each, t(`tasks.status_${each}`)]),
      (value) => run((tasks) => changeAll(tasks, { status: /** @type {Task["status"]} */ (value) })),
    ),
    choice(
      t("tasks.set_project"),
      () => [["none", t("common.no_project")], ...projects.value.map((each) => [each.id, each.name])],
      (value) => run((tasks) => changeAll(tasks, { project_id: value === "none" ? null : value })),
    ),
    h("button", { type: "button", class: "danger", onclick: () => run(trashAll) }, t("common.delete")),
  ];
}

/**
 * A choice that acts when "Apply" is pressed: arrow keys that pass over an option must change nothing.
 *
 * @param {string} label
 * @param {() => string[][]} options
 * @param {(value: string) => void} apply
 */
function choice(label, options, apply) {
  const chosen = signal("");
  const select = choiceField(chosen, () => [["", label], ...options()], { "aria-label": label });
  return h("span", { class: "bulk-choice" }, select, [
    h(
      "button",
      {
        type: "button",
        disabled: () => chosen.value === "",
        "aria-label": t("tasks.apply_to", { what: label }),
        onclick: () => apply(chosen.peek()),
      },
      t("tasks.apply"),
    ),
  ]);
}
