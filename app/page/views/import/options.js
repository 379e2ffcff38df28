// How the rows of a file are read.

import { h } from "../../lib/dom.js";
import { fieldError } from "../../parts/submission.js";
import { t } from "../../text/index.js";

const FORMATS = ["auto", "toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"];
const DATE_ORDERS = ["", "dmy", "mdy", "ymd"];

/** The form fields of the API, by the names of the options. */
const API_NAMES = /** @type {const} */ ({
  format: "format",
  timezone: "timezone",
  dateOrder: "date_order",
  currency: "currency",
  user: "user",
  dayStart: "day_start",
});

/** The form fields that have a field on the page: an error of the service stands there. */
export const OPTION_NAMES = Object.values(API_NAMES);

/**
 * @typedef {import("../../store/transfer.js").ImportOptions} ImportOptions
 * @typedef {import("../../lib/signal.js").Signal<ImportOptions>} OptionsSignal
 * @typedef {import("../../lib/signal.js").ReadSignal<Record<string, string>>} ErrorsSignal By form field.
 * @typedef {keyof typeof API_NAMES} OptionName
 */

/**
 * Create the fields. A change is reported when a field is left.
 *
 * @param {OptionsSignal} options
 * @param {ErrorsSignal} errors
 */
export function optionFields(options, errors) {
  const zones = Intl.supportedValuesOf("timeZone").map((value) => h("option", { value }));
  /** @param {OptionName} name @param {HTMLInputElement | HTMLSelectElement} control */
  const row = (name, control) => field(name, control, options, errors);
  const strict = h("input", {
    type: "checkbox",
    checked: options.peek().isStrict,
    onchange: () => {
      options.value = { ...options.peek(), isStrict: strict.checked };
    },
  });
  return h("fieldset", { class: "import-options" }, h("legend", { class: "visually-hidden" }, t("import.options")), [
    row(
      "format",
      select(FORMATS, (format) => t(`import.format_${format}`)),
    ),
    row("timezone", text({ list: "import-zones", maxlength: 60 })),
    h("datalist", { id: "import-zones" }, zones),
    row(
      "dateOrder",
      select(DATE_ORDERS, (order) => t(`import.order_${order || "auto"}`)),
    ),
    row("dayStart", h("input", { type: "time", required: true })),
    row("currency", text({ maxlength: 3, placeholder: "EUR" })),
    row("user", text({ maxlength: 254, placeholder: t("import.user_all") })),
    h("label", { class: "check" }, strict, t("import.strict")),
  ]);
}

/**
 * Create a field with its label and what is wrong with it.
 *
 * @param {OptionName} name
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @param {OptionsSignal} options
 * @param {ErrorsSignal} errors
 */
function field(name, control, options, errors) {
  control.value = options.peek()[name];
  control.addEventListener("change", () => {
    // A time that is half typed has no value: it does not replace the old one.
    if (!control.validity.valid) return;
    const value = name === "currency" ? control.value.toUpperCase() : control.value;
    options.value = { ...options.peek(), [name]: value };
  });
  return h("div", { class: "field" }, [
    h("label", { class: "field" }, t(`import.${name}`), control),
    fieldError(() => errors.value[API_NAMES[name]] ?? "", control),
  ]);
}

/**
 * @param {readonly string[]} values
 * @param {(value: string) => string} text
 */
function select(values, text) {
  return h(
    "select",
    null,
    values.map((value) => h("option", { value }, text(value))),
  );
}

/** @param {import("../../lib/dom.js").Attributes} attributes */
function text(attributes) {
  return h("input", { ...attributes, type: "text", autocomplete: "off" });
}
