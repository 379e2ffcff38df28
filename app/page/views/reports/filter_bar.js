// The range, the filters, the groups and the rounding of a report.

import { h } from "../../lib/dom.js";
import { effect, signal } from "../../lib/signal.js";
import { GROUPS } from "../../parts/report/labels.js";
import { tagSuggestions } from "../../parts/tags_field.js";
import { taskPicker } from "../../parts/task_picker.js";
import { projects } from "../../store/projects.js";
import { loadTask } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { RANGES } from "./ranges.js";
import { ROUNDING_MODES, ROUNDING_SCOPES } from "./state.js";

/**
 * @typedef {import("./state.js").State} State
 *
 * @typedef {object} Controls
 * @property {import("../../lib/signal.js").ReadSignal<State>} state
 * @property {import("../../lib/signal.js").ReadSignal<import("./state.js").Range>} range
 * @property {(fields: Partial<State>) => void} set
 */

const MINUTES = [5, 6, 10, 15, 30, 60];
const MAX_TAG = 50;
let count = 0;

/**
 * Create the controls.
 *
 * @param {Controls} controls
 */
export function filterBar(controls) {
  return h(
    "form",
    {
      class: "report-filters panel",
      "aria-label": t("reports.filters"),
      onsubmit: (/** @type {Event} */ event) => event.preventDefault(),
    },
    rangeFields(controls),
    choice(controls, "project", () => [
      ["", t("reports.any_project")],
      ["none", t("common.no_project")],
      ...projects.value.map((project) => [project.id, project.name]),
    ]),
    taskField(controls),
    tagField(controls),
    choice(controls, "billable", () => [
      ["", t("reports.any")],
      ["true", t("reports.billable")],
      ["false", t("reports.not_billable")],
    ]),
    choice(controls, "group", () => GROUPS.map((group) => [group, t(`reports.group_${group}`)])),
    choice(controls, "second", () => [
      ["", t("common.none")],
      ...GROUPS.filter((group) => group !== controls.state.value.group).map((group) => [
        group,
        t(`reports.group_${group}`),
      ]),
    ]),
    roundingFields(controls),
  );
}

/**
 * @param {string} name
 * @param {(id: string) => import("../../lib/dom.js").Child} create
 */
function field(name, create) {
  count += 1;
  const id = `report-${name}-${count}`;
  return h("div", { class: "field" }, h("label", { for: id }, t(`reports.${name}`)), create(id));
}

/**
 * @param {string} name
 * @param {() => (readonly string[])[]} options
 * @param {() => string} value
 * @param {(value: string) => void} onchange
 */
function select(name, options, value, onchange) {
  return field(name, (id) => {
    const element = h("select", { id, onchange: () => onchange(element.value) }, () =>
      options().map(([option, label]) => h("option", { value: option, selected: () => value() === option }, label)),
    );
    return element;
  });
}

/**
 * @param {Controls} controls
 * @param {"project" | "billable" | "group" | "second"} name
 * @param {() => (readonly string[])[]} options
 */
function choice({ state, set }, name, options) {
  return select(
    name,
    options,
    () => state.value[name],
    (value) => set({ [name]: value }),
  );
}

/** @param {Controls} controls */
function rangeFields({ state, range, set }) {
  /** @param {string} chosen */
  function choose(chosen) {
    // The days that are shown are those to begin with.
    const { first, last } = range.peek();
    set({ range: chosen, ...(chosen === "custom" ? { from: first, to: last } : {}) });
  }
  /** @param {"from" | "to"} name */
  const day = (name) =>
    field(name, (id) => {
      const input = h("input", {
        id,
        type: "date",
        required: true,
        value: () => (name === "from" ? range.value.first : range.value.last),
        onchange: () => {
          if (!input.value) return;
          const { first, last } = range.peek();
          const days = { from: first, to: last, [name]: input.value };
          // A first day after the last one moves the other one too.
          if (days.from > days.to) days[name === "from" ? "to" : "from"] = input.value;
          set({ range: "custom", ...days });
        },
      });
      return input;
    });
  return [
    select(
      "range",
      () => RANGES.map((each) => [each, t(`reports.range_${each}`)]),
      () => state.value.range,
      choose,
    ),
    day("from"),
    day("to"),
  ];
}

/** @param {Controls} controls */
function taskField({ state, set }) {
  const title = signal("");
  const text = signal("");
  effect(() => {
    const id = state.value.task;
    if (id === "") {
      [title.value, text.value] = ["", ""];
      return;
    }
    const before = text.peek();
    const show = (/** @type {string} */ name) => {
      if (state.peek().task !== id) return;
      title.value = name;
      // What is typed meanwhile stays.
      if (text.peek() === before) text.value = name;
    };
    loadTask(id).then(
      (task) => show(task.title),
      () => show(id),
    );
  });
  const picker = taskPicker({
    label: t("reports.task"),
    text,
    current: () => title.value,
    allowsNew: false,
    onchoose: (choice) => {
      [title.value, text.value] = [choice.title, choice.title];
      set({ task: choice.id ?? "" });
    },
    onleave: () => {
      if (text.peek().trim() === "") set({ task: "" });
      else text.value = title.peek();
    },
    attributes: { placeholder: t("reports.any_task") },
  });
  return h(
    "div",
    { class: "field" },
    h("span", { class: "label", "aria-hidden": "true" }, t("reports.task")),
    picker.element,
  );
}

/** @param {Controls} controls */
function tagField({ state, set }) {
  return field("tag", (id) => {
    const input = h("input", {
      id,
      type: "text",
      dir: "auto",
      maxlength: MAX_TAG,
      autocomplete: "off",
      placeholder: t("reports.any_tag"),
      value: () => state.value.tag,
      onchange: () => set({ tag: input.value.trim() }),
    });
    return [input, tagSuggestions(input)];
  });
}

/** @param {Controls} controls */
function roundingFields({ state, set }) {
  const parts = () => state.value.rounding.split(":");
  const minutesOf = () => parts()[1] || "15";
  return [
    select(
      "rounding",
      () => [["", t("reports.no_rounding")], ...ROUNDING_MODES.map((mode) => [mode, t(`reports.rounding_${mode}`)])],
      () => parts()[0] ?? "",
      (mode) => set({ rounding: mode && `${mode}:${minutesOf()}` }),
    ),
    h("div", { class: "field-pair", hidden: () => state.value.rounding === "" }, [
      select(
        "minutes",
        () => {
          const all = new Set([...MINUTES, Number(minutesOf())]);
          return [...all].sort((a, b) => a - b).map((each) => [String(each), String(each)]);
        },
        minutesOf,
        (minutes) => set({ rounding: `${parts()[0]}:${minutes}` }),
      ),
      select(
        "scope",
        () => ROUNDING_SCOPES.map((scope) => [scope, t(`reports.scope_${scope}`)]),
        () => state.value.scope,
        (scope) => set({ scope }),
      ),
    ]),
  ];
}
