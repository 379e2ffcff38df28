// How the rows of a file are read.

import { h } from "../../lib/dom.js";
import { t } from "../../text/index.js";

const FORMATS = ["auto", "toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"];
const DATE_ORDERS = ["", "dmy", "mdy", "ymd"];

/**
 * @typedef {import("../../store/transfer.js").ImportOptions} ImportOptions
 * @typedef {import("../../lib/signal.js").Signal<ImportOptions>} OptionsSignal
 */

/**
 * Create the fields. A change is reported when a field is left.
 *
 * @param {OptionsSignal} options
 */
export function optionFields(options) {
  const zones = Intl.supportedValuesOf("timeZone").map((value) => h("option", { value }));
  const strict = h("input", {
    type: "checkbox",
    checked: options.peek().isStrict,
    onchange: () => {
      options.value = { ...options.peek(), isStrict: strict.checked };
    },
  });
  return h("fieldset", { class: "import-options" }, h("legend", { class: "visually-hidden" }, t("import.options")), [
    choice(
      options,
      "format",
      FORMATS.map((format) => [format, t(`import.format_${format}`)]),
    ),
    text(options, "timezone", { list: "import-zones", maxlength: 60 }),
    h("datalist", { id: "import-zones" }, zones),
    choice(
      options,
      "dateOrder",
      DATE_ORDERS.map((order) => [order, t(`import.order_${order || "auto"}`)]),
    ),
    text(options, "currency", { maxlength: 3, placeholder: "EUR" }),
    text(options, "user", { maxlength: 254, placeholder: t("import.user_all") }),
    h("label", { class: "check" }, strict, t("import.strict")),
  ]);
}

/**
 * @param {OptionsSignal} options
 * @param {"format" | "dateOrder"} name
 * @param {string[][]} choices
 */
function choice(options, name, choices) {
  const select = h(
    "select",
    {
      value: options.peek()[name],
      onchange: () => {
        options.value = { ...options.peek(), [name]: select.value };
      },
    },
    choices.map(([value, label]) => h("option", { value }, label)),
  );
  return h("label", { class: "field" }, t(`import.${name}`), select);
}

/**
 * @param {OptionsSignal} options
 * @param {"timezone" | "currency" | "user"} name
 * @param {import("../../lib/dom.js").Attributes} attributes
 */
function text(options, name, attributes) {
  const input = h("input", {
    ...attributes,
    type: "text",
    autocomplete: "off",
    value: options.peek()[name],
    onchange: () => {
      const value = name === "currency" ? input.value.toUpperCase() : input.value;
      options.value = { ...options.peek(), [name]: value };
    },
  });
  return h("label", { class: "field" }, t(`import.${name}`), input);
}
