// The search and the filters above the list of tasks.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { projects } from "../../store/projects.js";
import { knownTags, loadTags } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { countFilters, NO_FILTERS, STATUSES } from "./filters.js";

const SORTS = ["-created_at", "-updated_at", "due_at", "title", "project_id", "-tracked_seconds"];

/**
 * @typedef {import("./filters.js").Filters} Filters
 * @typedef {import("../../lib/signal.js").ReadSignal<Filters>} FilterSignal
 * @typedef {(fields: Partial<Filters>) => void} SetFilters
 */

/**
 * @param {FilterSignal} filters
 * @param {SetFilters} setFilters
 */
export function filterBar(filters, setFilters) {
  const isOpen = signal(countFilters(filters.peek()) > 0);
  const search = h("input", {
    type: "search",
    class: "task-search",
    "aria-label": t("tasks.search"),
    placeholder: t("tasks.search"),
    maxlength: 200,
    value: () => filters.value.q,
    oninput: () => setFilters({ q: search.value }),
  });
  return h(
    "div",
    { class: () => (isOpen.value ? "filter-bar is-open" : "filter-bar"), role: "search" },
    search,
    h(
      "button",
      {
        type: "button",
        class: "filter-toggle",
        "aria-expanded": () => String(isOpen.value),
        onclick: () => {
          isOpen.value = !isOpen.peek();
        },
      },
      () => t("tasks.filters", { number: countFilters(filters.value) || "" }),
    ),
    h("div", { class: "filter-fields" }, fields(filters, setFilters, search)),
  );
}

/**
 * @param {FilterSignal} filters
 * @param {SetFilters} setFilters
 * @param {HTMLElement} search
 */
function fields(filters, setFilters, search) {
  const isTrash = () => filters.value.trash === "true";
  return [
    () =>
      !isTrash() && choice("status", () => [["open", t("tasks.open")], ["any", t("tasks.any_status")], ...statuses()]),
    choice("project", () => [
      ["", t("tasks.any_project")],
      ["none", t("common.no_project")],
      ...projects.value.map((project) => [project.id, project.name]),
    ]),
    tagFilter(filters, setFilters),
    choice("due", () => ["", "overdue", "today", "week"].map((due) => [due, t(`tasks.due_${due || "any"}`)])),
    choice("sort", () => SORTS.map((sort) => [sort, t(`tasks.sort_${sort.replace("-", "")}`)])),
    () => !isTrash() && checkbox(filters, setFilters),
    () =>
      countFilters(filters.value) > 0 &&
      h("button", { type: "button", class: "link", onclick: clear }, t("tasks.clear_filters")),
  ];

  function clear() {
    setFilters({ ...NO_FILTERS, sort: filters.peek().sort, trash: filters.peek().trash });
    search.focus();
  }

  /**
   * @param {"status" | "project" | "due" | "sort"} name
   * @param {() => (readonly string[])[]} options
   */
  function choice(name, options) {
    const select = h(
      "select",
      { "aria-label": t(`tasks.filter_${name}`), onchange: () => setFilters({ [name]: select.value }) },
      () =>
        options().map(([value, label]) => h("option", { value, selected: () => filters.value[name] === value }, label)),
    );
    return select;
  }
}

function statuses() {
  return STATUSES.map((status) => [status, t(`tasks.status_${status}`)]);
}

/**
 * @param {FilterSignal} filters
 * @param {SetFilters} setFilters
 */
function tagFilter(filters, setFilters) {
  const input = h("input", {
    type: "text",
    list: "task-filter-tags",
    "aria-label": t("tasks.filter_tag"),
    placeholder: t("tasks.field_tags"),
    maxlength: 50,
    autocomplete: "off",
    value: () => filters.value.tag,
    onfocus: loadTags,
    oninput: loadTags,
    onchange: () => setFilters({ tag: input.value.trim() }),
  });
  return [
    input,
    h("datalist", { id: "task-filter-tags" }, () => knownTags.value.map((tag) => h("option", { value: tag }))),
  ];
}

/**
 * @param {FilterSignal} filters
 * @param {SetFilters} setFilters
 */
function checkbox(filters, setFilters) {
  const input = h("input", {
    type: "checkbox",
    checked: () => filters.value.running === "true",
    onchange: () => setFilters({ running: input.checked ? "true" : "" }),
  });
  return h("label", { class: "check" }, input, t("tasks.running"));
}
