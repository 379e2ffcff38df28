// The form with all fields of a task.

import { h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { parseTags, tagsField } from "../../parts/tags_field.js";
import { zone } from "../../store/profile.js";
import { project, projects } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatHours, parseDuration } from "../../time/durations.js";
import { dayOf, timeOf } from "../../time/zones.js";
import { STATUSES } from "./filters.js";
import { dueOf, PRIORITIES } from "./task_fields.js";

/** @typedef {import("./task_fields.js").Fields} Fields */

let count = 0;

/**
 * Create the fields.
 *
 * @param {Fields} initial
 */
export function taskForm(initial) {
  const fields = signal(initial);
  const isBillableChosen = signal(false);
  const errors = { title: signal(""), estimate: signal("") };
  const inputs = createInputs(fields, errors);
  inputs.billable.addEventListener("change", () => {
    isBillableChosen.value = true;
  });
  inputs.project.addEventListener("change", () => {
    if (!isBillableChosen.peek()) inputs.billable.checked = project(inputs.project.value)?.billable ?? false;
  });

  /** @returns {Fields} */
  function read() {
    const before = fields.peek();
    return {
      title: inputs.title.value.trim(),
      description: sameText(inputs.description.value, before.description),
      status: /** @type {Fields["status"]} */ (inputs.status.value),
      project_id: inputs.project.value || null,
      tags: parseTags(inputs.tags.value),
      priority: inputs.priority.value === "" ? null : Number(inputs.priority.value),
      due_at: dueOf(inputs.day.value, inputs.time.value, before.due_at),
      estimate_seconds: estimateOf(inputs.estimate.value, before.estimate_seconds),
      billable: inputs.billable.checked,
    };
  }

  /** Say what is wrong next to the field. Returns whether all is right. */
  function check() {
    const hasEstimate = inputs.estimate.value.trim() !== "";
    const isDuration = !hasEstimate || parseDuration(inputs.estimate.value) !== null;
    errors.title.value = inputs.title.value.trim() ? "" : t("tasks.no_title");
    errors.estimate.value = isDuration ? "" : t("tasks.no_duration");
    if (errors.title.peek()) inputs.title.focus();
    else if (errors.estimate.peek()) inputs.estimate.focus();
    return !errors.title.peek() && !errors.estimate.peek();
  }

  return {
    elements: layout(inputs, errors),
    read,
    check,
    isBillableChosen: () => isBillableChosen.peek(),
    /** @param {Fields} next */
    write(next) {
      fields.value = next;
    },
  };
}

/**
 * @param {import("../../lib/signal.js").Signal<Fields>} fields
 * @param {{title: import("../../lib/signal.js").Signal<string>, estimate: import("../../lib/signal.js").Signal<string>}} errors
 */
function createInputs(fields, errors) {
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
      ...invalid("title", errors.title),
      value: () => fields.value.title,
    }),
    description: h("textarea", { rows: 4, maxlength: 20_000, value: () => fields.value.description ?? "" }),
    status: select(
      STATUSES.map((each) => [each, t(`tasks.status_${each}`)]),
      () => fields.value.status,
    ),
    project: select(projectOptions(fields), () => fields.value.project_id ?? ""),
    tags: /** @type {HTMLInputElement} */ (tags.querySelector("input")),
    tagsBox: tags,
    priority: select([["", t("common.none")], ...PRIORITIES.map((each) => [String(each), `P${each}`])], () =>
      String(fields.value.priority ?? ""),
    ),
    day: h("input", {
      type: "date",
      max: "9999-12-30",
      value: () => (due() === null ? "" : dayOf(/** @type {number} */ (due()), zone.value)),
    }),
    time: h("input", {
      type: "time",
      "aria-label": t("tasks.due_time"),
      value: () => (due() === null ? "" : timeOf(/** @type {number} */ (due()), zone.value)),
    }),
    estimate: h("input", {
      type: "text",
      placeholder: "1:30",
      autocomplete: "off",
      ...invalid("estimate", errors.estimate),
      value: () => estimateText(fields.value.estimate_seconds),
    }),
    billable: h("input", { type: "checkbox", checked: () => fields.value.billable }),
  };
}

/**
 * @param {ReturnType<typeof createInputs>} inputs
 * @param {Parameters<typeof createInputs>[1]} errors
 */
function layout(inputs, errors) {
  return [
    field("title", inputs.title, errors.title),
    field("description", inputs.description),
    h("div", { class: "form-grid" }, [
      field("status", inputs.status),
      field("project_id", inputs.project),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label", "aria-hidden": "true" }, t("tasks.field_tags")),
        inputs.tagsBox,
      ),
      field("priority", inputs.priority),
      h("div", { class: "due-fields" }, [field("due_at", inputs.day), inputs.time]),
      field("estimate_seconds", inputs.estimate, errors.estimate),
    ]),
    h("label", { class: "check" }, inputs.billable, t("tasks.field_billable")),
  ];
}

/**
 * @param {string} name
 * @param {Element} control
 * @param {import("../../lib/signal.js").ReadSignal<string>} [error]
 */
function field(name, control, error) {
  return h(
    "div",
    { class: "field" },
    h("label", { class: "field" }, t(`tasks.field_${name}`), control),
    error &&
      h(
        "span",
        { class: "form-error", id: control.getAttribute("aria-describedby"), role: "alert" },
        () => error.value,
      ),
  );
}

/**
 * @param {string} name
 * @param {import("../../lib/signal.js").ReadSignal<string>} error
 */
function invalid(name, error) {
  count += 1;
  return { "aria-invalid": () => String(error.value !== ""), "aria-describedby": `task-${name}-error-${count}` };
}

/**
 * @param {string[][]} options
 * @param {() => string} value
 */
function select(options, value) {
  return h(
    "select",
    { value },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
}

/** @param {import("../../lib/signal.js").Signal<Fields>} fields */
function projectOptions(fields) {
  const id = fields.peek().project_id;
  const archived = id && !project(id) ? [[id, t("tasks.archived_project")]] : [];
  return [["", t("common.no_project")], ...archived, ...projects.peek().map((each) => [each.id, each.name])];
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
