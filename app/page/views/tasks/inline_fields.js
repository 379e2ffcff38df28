// Fields that change one value in place. What a person types stays until it is stored or Escape restores the old value.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { editField } from "../../parts/edit_field.js";
import { project, projects } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatDay } from "../../time/format.js";

let count = 0;

/**
 * @template T
 * @typedef {import("../../lib/signal.js").ReadSignal<T>} ReadSignal
 */

/**
 * @param {object} options
 * @param {string} options.control
 * @param {() => string} options.label
 * @param {ReadSignal<string>} options.value
 * @param {string[][]} options.options Values with their texts.
 * @param {() => string} options.className
 * @param {(value: string) => void} options.onchange
 */
export function selectField({ control, label, value, options, className, onchange }) {
  const select = h(
    "select",
    {
      class: className,
      "data-control": control,
      "aria-label": label,
      value: () => value.value,
      onchange: () => onchange(select.value),
    },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  return select;
}

/**
 * A choice of the projects. Its options are created when it gets the focus: 50 rows with 300 options are slow.
 *
 * @param {object} options
 * @param {() => string} options.label
 * @param {ReadSignal<string>} options.projectId
 * @param {(id: string) => void} options.onchange
 */
export function projectField({ label, projectId, onchange }) {
  const isFilled = signal(false);
  const fill = () => {
    isFilled.value = true;
  };
  const select = h(
    "select",
    {
      "data-control": "project",
      "aria-label": label,
      onpointerdown: fill,
      onfocus: fill,
      onchange: () => onchange(select.value),
    },
    () => {
      const id = projectId.value;
      const name = project(id)?.name ?? (id ? t("tasks.archived_project") : t("common.no_project"));
      if (!isFilled.value) return h("option", { value: id, selected: true }, name);
      const isListed = id === "" || project(id) !== null;
      return [
        h("option", { value: "", selected: id === "" }, t("common.no_project")),
        !isListed && h("option", { value: id, selected: true }, name),
        ...projects.value.map((each) => h("option", { value: each.id, selected: each.id === id }, each.name)),
      ];
    },
  );
  return select;
}

/**
 * A day, shown as text until it is edited: a list of date inputs is slow to scroll. A day of the calendar is stored at
 * once, typed digits when the field is left or Enter is pressed.
 *
 * @param {object} options
 * @param {() => string} options.label
 * @param {ReadSignal<string>} options.day
 * @param {(day: string) => void} options.onchange
 */
export function dateField({ label, day, onchange }) {
  const isEdited = signal(false);
  const text = () => (day.value ? formatDay(day.value, DAY_FORMAT) : "–");
  const button = h(
    "button",
    {
      type: "button",
      class: "task-due-button",
      "data-control": "due",
      hidden: () => isEdited.value,
      "aria-label": () => `${label()}: ${day.value ? text() : t("common.none")}`,
      onclick: () => {
        isEdited.value = true;
      },
    },
    text,
  );
  /** @param {boolean} isLeft Whether the focus is elsewhere already. */
  function close(isLeft) {
    isEdited.value = false;
    if (!isLeft) button.focus();
  }
  return [button, () => isEdited.value && dateInput({ label, day, onchange, close })];
}

/** @type {Intl.DateTimeFormatOptions} */
const DAY_FORMAT = { day: "numeric", month: "short", year: "numeric" };

/** @param {Parameters<typeof dateField>[0] & {close: (isLeft: boolean) => void}} options */
function dateInput({ label, day, onchange, close }) {
  let isTyped = false;
  let isClosed = false;
  /** @param {{isStored: boolean, isLeft: boolean}} how */
  function end({ isStored, isLeft }) {
    if (isClosed) return;
    isClosed = true;
    const { value, validity } = input;
    close(isLeft);
    // A day that is half typed has no value: it must not remove the old one.
    if (isStored && value !== day.peek() && !validity.badInput) onchange(value);
  }
  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key === "Enter") end({ isStored: true, isLeft: false });
    else if (event.key === "Escape") end({ isStored: false, isLeft: false });
    else isTyped = true;
  }
  const input = h("input", {
    type: "date",
    min: "1970-01-01",
    max: "9999-12-30",
    "data-control": "due",
    "aria-label": label,
    value: day.peek(),
    onkeydown,
    onblur: () => end({ isStored: true, isLeft: true }),
    onchange: () => {
      if (!isTyped) end({ isStored: true, isLeft: false });
    },
  });
  queueMicrotask(() => input.focus());
  return input;
}

/**
 * A text that means a value.
 *
 * @template T
 * @param {object} options
 * @param {string} options.control
 * @param {() => string} options.label
 * @param {ReadSignal<string>} options.text
 * @param {string} options.placeholder
 * @param {string} options.invalid Shown when the text means no value.
 * @param {(text: string) => {value: T} | null} options.parse
 * @param {(value: T) => void} options.onchange
 */
export function textField({ control, label, text, placeholder, invalid, parse, onchange }) {
  count += 1;
  const errorId = `inline-error-${count}`;
  const error = signal("");
  /** @param {string} typed */
  async function save(typed) {
    const parsed = parse(typed.trim());
    if (!parsed) return invalid;
    onchange(parsed.value);
    return null;
  }
  const input = editField({
    label,
    text: () => text.value,
    save,
    onerror: (/** @type {string} */ message) => {
      error.value = message;
    },
    errorId,
    attributes: { "data-control": control, placeholder },
  });
  return h("span", { class: "with-error" }, input, [
    h("span", { id: errorId, class: "error-below", role: "alert" }, () => error.value),
  ]);
}
