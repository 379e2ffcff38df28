// The view of all tasks: search, filters, changes in place, many at once, and the trash.

import { define, h } from "../../lib/dom.js";
import { computed, effect, onCleanup, signal } from "../../lib/signal.js";
import { attempt, attemptOnce, describeError, retryButton } from "../../parts/notice.js";
import { windowedList } from "../../parts/windowed_list.js";
import { project, reloadProjects } from "../../store/projects.js";
import { pagedResource } from "../../store/resource.js";
import { listTasks } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { bulkBar } from "./bulk_bar.js";
import { filterBar } from "./filter_bar.js";
import { countFilters, followFilters, queryOf } from "./filters.js";
import { taskActions } from "./task_actions.js";
import { editTask, newTask } from "./task_dialog.js";
import { taskRow } from "./task_row.js";

/** @typedef {import("../../types").Task} Task */

const KINDS = ["task", "entry", "timer", "project", "import"];
const PAGE = 100;
const SEARCH_DELAY_MS = 120;

define("tt-tasks", () => {
  const { filters, setFilters } = followFilters();
  const applied = delayed(filters);
  const list = pagedResource((page, signal) => listTasks(queryOf(applied.value), page, signal), KINDS, PAGE);
  const actions = taskActions(list.data);
  const selection = selectionOf(actions.tasks);
  const isTrash = computed(() => filters.value.trash === "true");
  effect(() => {
    void applied.value;
    selection.clear();
  });
  const heading = h("h1", { tabindex: "-1" }, () => t(isTrash.value ? "tasks.trash" : "nav.tasks"));
  const open = (/** @type {Task} */ task) => void attempt(() => editTask(task));
  const create = attemptOnce(async () => {
    const id = filters.peek().project;
    // They may not have been loaded yet.
    if (id && id !== "none" && !project(id)) await reloadProjects();
    return newTask(project(id) ? id : null);
  });
  return h("div", { class: "tasks" }, [
    header({ heading, isTrash: () => isTrash.value, create }),
    filterBar(filters, setFilters),
    bulkBar({
      selected: () => selection.selected.value,
      tasks: () => actions.tasks.value,
      isTrash: () => isTrash.value,
      select: selection.replace,
    }),
    windowedList({
      label: t("nav.tasks"),
      items: () => actions.tasks.value,
      key: (task) => `${task.id} ${task.deleted_at ?? ""}`,
      render: (task) => taskRow(task, { ...actions, open, isSelected: selection.has, select: selection.set }),
      hasMore: list.hasMore,
      more: () => void attempt(list.more),
      onempty: () => heading.focus(),
    }),
    state({ list, tasks: () => actions.tasks.value, filters, create }),
  ]);
});

/** @param {{heading: Element, isTrash: () => boolean, create: () => void}} options */
function header({ heading, isTrash, create }) {
  return h("div", { class: "view-header" }, heading, [
    h("div", { class: "view-actions" }, () =>
      isTrash()
        ? h("a", { class: "button", href: "#/tasks" }, t("tasks.leave_trash"))
        : [
            h("a", { class: "button", href: "#/tasks?trash=true" }, t("tasks.trash")),
            h("button", { type: "button", class: "primary", onclick: create }, t("tasks.new")),
          ],
    ),
  ]);
}

/**
 * What stands in place of the rows: loading, an error, or nothing to show.
 *
 * @param {object} options
 * @param {ReturnType<typeof pagedResource<Task>>} options.list
 * @param {() => readonly Task[]} options.tasks
 * @param {import("../../lib/signal.js").ReadSignal<import("./filters.js").Filters>} options.filters
 * @param {() => void} options.create
 */
function state({ list, tasks, filters, create }) {
  const name = computed(() => {
    if (list.error.value) return "error";
    if (list.data.value === null) return "loading";
    if (tasks().length > 0) return "";
    if (countFilters(filters.value) > 0) return "no_match";
    return filters.value.trash === "true" ? "trash_empty" : "empty";
  });
  return h("div", { class: "list-state", role: "status" }, () => {
    if (name.value === "") return null;
    if (name.value === "loading") return h("p", { class: "empty is-late" }, t("common.loading"));
    if (name.value === "error") {
      return h("div", { class: "empty" }, h("p", null, describeError(list.error.peek())), retryButton(list.reload));
    }
    return h("div", { class: "empty" }, h("p", null, t(`tasks.${name.value}`)), [
      name.value === "empty" && h("button", { type: "button", onclick: create }, t("tasks.new")),
    ]);
  });
}

/**
 * Return the filters, a moment after the last key of a search.
 *
 * @param {import("../../lib/signal.js").ReadSignal<import("./filters.js").Filters>} filters
 */
function delayed(filters) {
  const applied = signal(filters.peek());
  effect(() => {
    const next = filters.value;
    if (next.q === applied.peek().q) {
      applied.value = next;
      return;
    }
    const timeout = setTimeout(() => {
      applied.value = next;
    }, SEARCH_DELAY_MS);
    onCleanup(() => clearTimeout(timeout));
  });
  return applied;
}

/** @param {import("../../lib/signal.js").ReadSignal<Task[]>} tasks */
function selectionOf(tasks) {
  const ids = signal(/** @type {ReadonlySet<string>} */ (new Set()));
  return {
    selected: computed(() => tasks.value.filter((task) => ids.value.has(task.id))),
    has: (/** @type {string} */ id) => ids.value.has(id),
    set(/** @type {string} */ id, /** @type {boolean} */ isSelected) {
      const next = new Set(ids.peek());
      if (isSelected) next.add(id);
      else next.delete(id);
      ids.value = next;
    },
    replace(/** @type {readonly Task[]} */ selected) {
      ids.value = new Set(selected.map((task) => task.id));
    },
    clear() {
      ids.value = new Set();
    },
  };
}
