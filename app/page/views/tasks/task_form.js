// The form with all fields of a task.

import { h } from "../../lib/dom.js";
import { computed, effect, signal } from "../../lib/signal.js";
import { choiceField, fieldError } from "../../parts/submission.js";
import { parseTags, tagsField } from "../../parts/tags_field.js";
import { zone } from "../../store/profile.js";
import { project, projects } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatHours, parseDuration } from "../../time/durations.js";
import { dayOf, timeOf } from "../../time/zones.js";
import { STATUSES } from "./filters.js";
import { dueOf, FIELDS, PRIORITIES } from "./task_fields.js";

/**
 * @typedef {import("./task_fields.js").Fields} Fields
 * @typedef {Record<string, string>} Errors What is wrong, by field.
 * @typedef {import("../../lib/signal.js").ReadSignal<Errors>} ErrorsSignal
 */

/**
 * Create the fields.
 *
 * @param {Fields} initial
 */
export function taskForm(initial) {
  const fields = signal(initial);
  const isBillableChosen = signal(false);
  const errors = signal(/** @type {Errors} */ ({}));
  const inputs = createInputs(fields);
  inputs.billable.addEventListener("change", () => {
    isBillableChosen.value = true;
  });
  inputs.project_id.addEventListener("change", () => {
    if (!isBillableChosen.peek()) inputs.billable.checked = project(inputs.project_id.value)?.billable ?? false;
  });

  /** @returns {Fields} */
  function read() {
    const before = fields.peek();
    return {
      title: inputs.title.value.trim(),
      description: sameText(inputs.description.value, before.description),
      status: /** @type {Fields["status"]} */ (inputs.status.value),
      project_id: inputs.project_id.value || null,
      tags: parseTags(inputs.tags.value),
      priority: inputs.priority.value === "" ? null : Number(inputs.priority.value),
      due_at: dueOf(inputs.due_at.value, inputs.time.value, before.due_at),
      estimate_seconds: estimateOf(inputs.estimate_seconds.value, before.estimate_seconds),
      billable: inputs.billable.checked,
    };
  }

  /**
   * Say what is wrong next to the fields, and focus the first of them.
   *
   * @param {Errors} next
   */
  function showErrors(next) {
    errors.value = next;
    const first = FIELDS.find((name) => next[name]);
    if (first) inputs[first].focus();
  }

  /** Say what is wrong next to the fields. Returns whether all is right. */
  function check() {
    const hasEstimate = inputs.estimate_seconds.value.trim() !== "";
    const isDuration = !hasEstimate || parseDuration(inputs.estimate_seconds.value) !== null;
    showErrors({
      ...(inputs.title.value.trim() ? {} : { title: t("tasks.no_title") }),
      ...(isDuration ? {} : { estimate_seconds: t("tasks.no_duration") }),
    });
    return Object.keys(errors.peek()).length === 0;
  }

  return {
    elements: layout(inputs, errors),
    read,
    check,
    showErrors,
    isBillableChosen: () => isBillableChosen.peek(),
    /** @param {Fields} next */
    write(next) {
      fields.value = next;
    },
  };
}

/** @param {import("../../lib/signal.js").Signal<Fields>} fields */
function createInputs(fields) {
  const due = () => (fields.value.due_at ? Date.parse(fields.value.due_at) : null);
  const tags = tagsField({
    label: t("tasks.field_tags"),
    tags: computed(() => fields.value.tags),
    onchange: () => {},
  });
  return {
    title: h("input", {
      type: "text",
      required: true,
      maxlength: 200,
      autofocus: true,
      autocomplete: "off",
      value: () => fields.value.title,
    }),
    description: h("textarea", { rows: 4, maxlength: 20_000, value: () => fields.value.description ?? "" }),
    status: select(
      () => STATUSES.map((each) => [each, t(`tasks.status_${each}`)]),
      () => fields.value.status,
    ),
    project_id: select(
      () => projectOptions(fields.value.project_id),
      () => fields.value.project_id ?? "",
    ),
    tags: /** @type {HTMLInputElement} */ (tags.querySelector("input")),
    tagsBox: tags,
    priority: select(
      () => [["", t("common.none")], ...PRIORITIES.map((each) => [String(each), `P${each}`])],
      () => String(fields.value.priority ?? ""),
    ),
    due_at: h("input", {
      type: "date",
      max: "9999-12-30",
      value: () => (due() === null ? "" : dayOf(/** @type {number} */ (due()), zone.value)),
    }),
    time: h("input", {
      type: "time",
      "aria-label": t("tasks.due_time"),
      value: () => (due() === null ? "" : timeOf(/** @type {number} */ (due()), zone.value)),
    }),
    estimate_seconds: h("input", {
      type: "text",
      placeholder: "1:30",
      autocomplete: "off",
      value: () => estimateText(fields.value.estimate_seconds),
    }),
    billable: h("input", { type: "checkbox", checked: () => fields.value.billable }),
  };
}

/**
 * @param {ReturnType<typeof createInputs>} inputs
 * @param {ErrorsSignal} errors
 */
function layout(inputs, errors) {
  /** @param {keyof Fields} name @param {HTMLElement} control */
  const row = (name, control) => field(name, control, errors);
  return [
    row("title", inputs.title),
    row("description", inputs.description),
    h("div", { class: "form-grid" }, [
      row("status", inputs.status),
      row("project_id", inputs.project_id),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label", "aria-hidden": "true" }, t("tasks.field_tags")),
        inputs.tagsBox,
        fieldError(() => errors.value.tags ?? "", inputs.tags),
      ),
      row("priority", inputs.priority),
      h("div", { class: "due-fields" }, [row("due_at", inputs.due_at), inputs.time]),
      row("estimate_seconds", inputs.estimate_seconds),
    ]),
    h("label", { class: "check" }, inputs.billable, t("tasks.field_billable")),
  ];
}

/**
 * @param {keyof Fields} name
 * @param {HTMLElement} control
 * @param {ErrorsSignal} errors
 */
function field(name, control, errors) {
  return h(
    "div",
    { class: "field" },
    h("label", { class: "field" }, t(`tasks.field_${name}`), control),
    fieldError(() => errors.value[name] ?? "", control),
  );
}

/**
 * @param {() => string[][]} options
 * @param {() => string} value
 */
function select(options, value) {
  const chosen = signal(value());
  const control = choiceField(chosen, options);
  effect(() => {
    chosen.value = value();
  });
  return control;
}

/**
 * The projects can arrive after the dialog has opened.
 *
 * @param {string | null} id That of the task.
 */
function projectOptions(id) {
  const archived = id && !project(id) ? [[id, t("tasks.archived_project")]] : [];
  return [["", t("common.no_project")], ...archived, ...projects.value.map((each) => [each.id, each.name])];
}

/** @param {number | null} seconds */
function estimateText(seconds) {
  return seconds === null ? "" : formatHours(seconds);
}

/**
 * @param {string} text
 * @param {number | null} before
 */
function estimateOf(text, before) {
  if (text.trim() === estimateText(before)) return before;
  return text.trim() === "" ? null : parseDuration(text);
}

/**
 * @param {string} text
 * @param {string | null} before An empty description differs from none.
 */
function sameText(text, before) {
  return text === (before ?? "") ? before : text || null;
}
