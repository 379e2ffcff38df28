// The dialog that creates or changes a project.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { showDialog } from "../../parts/dialog.js";
import { describeError, notify } from "../../parts/notice.js";
import { createProject, projects, updateProject } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { decimalSeparator } from "../../time/format.js";
import { amountText, parseAmount } from "../../time/money.js";
import { colorField } from "./color_field.js";

/** @typedef {import("../../types").Project} Project */

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY", "CAD", "AUD"];

/** @param {Project | null} project Null for a new one. */
export function editProject(project) {
  const title = t(project ? "projects.edit" : "projects.new");
  return showDialog(title, (/** @type {(isStored?: boolean) => void} */ close) => form(project, close));
}

/**
 * @param {Project | null} project
 * @param {(isStored?: boolean) => void} close
 */
function form(project, close) {
  const inputs = createInputs(project);
  const errors = { name: signal(""), rate: signal(""), form: signal("") };
  const isRateNew = signal(false);
  const rerate = h("input", { type: "checkbox" });
  const noteRate = () => {
    isRateNew.value = project !== null && !isSameRate(readRate(inputs), project.hourly_rate);
  };

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (!check(inputs, errors)) return;
    try {
      await store(project, read(inputs), rerate.checked && isRateNew.peek());
      close(true);
    } catch (failure) {
      errors.form.value = describeError(failure);
    }
  }

  return h("form", { class: "entry-form", onsubmit, novalidate: true }, [
    field(t("projects.name"), inputs.name, errors.name, "project-name-error"),
    field(t("projects.client"), inputs.client),
    inputs.clients,
    inputs.color.element,
    h("label", { class: "check" }, inputs.billable, t("projects.billable")),
    h("div", { class: "rate-fields", oninput: noteRate, onchange: noteRate }, [
      field(t("projects.rate"), inputs.amount, errors.rate, "project-rate-error"),
      field(t("projects.currency"), inputs.currency),
      inputs.currencies,
    ]),
    () =>
      isRateNew.value &&
      h("div", { class: "field" }, h("label", { class: "check" }, rerate, t("projects.rerate")), [
        h("span", { class: "muted" }, t("projects.rerate_hint")),
      ]),
    h("p", { class: "form-error", role: "alert" }, () => errors.form.value),
    h("div", { class: "form-actions" }, [
      h("button", { type: "button", onclick: () => close() }, t("common.cancel")),
      h("button", { type: "submit", class: "primary" }, t("common.save")),
    ]),
  ]);
}

/** @param {Project | null} project */
function createInputs(project) {
  const rate = project?.hourly_rate;
  const currency = rate?.currency ?? lastCurrency();
  const clients = [...new Set(projects.peek().flatMap(({ client_name }) => client_name ?? []))];
  return {
    name: h("input", {
      type: "text",
      maxlength: 200,
      autofocus: true,
      autocomplete: "off",
      "aria-describedby": "project-name-error",
      value: project?.name ?? "",
    }),
    client: h("input", {
      type: "text",
      maxlength: 200,
      autocomplete: "off",
      list: "project-clients",
      value: project?.client_name ?? "",
    }),
    clients: h(
      "datalist",
      { id: "project-clients" },
      clients.map((value) => h("option", { value })),
    ),
    color: colorField(project?.color ?? null),
    billable: h("input", { type: "checkbox", checked: project?.billable ?? false }),
    amount: h("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-describedby": "project-rate-error",
      value: rate ? amountText(rate.amount, rate.currency, decimalSeparator()) : "",
    }),
    currency: h("input", {
      type: "text",
      maxlength: 3,
      autocomplete: "off",
      autocapitalize: "characters",
      list: "project-currencies",
      value: currency,
    }),
    currencies: h(
      "datalist",
      { id: "project-currencies" },
      CURRENCIES.map((value) => h("option", { value })),
    ),
  };
}

/** The currency of another project: a person rarely uses several. */
function lastCurrency() {
  return projects.peek().find((each) => each.hourly_rate)?.hourly_rate?.currency ?? CURRENCIES[0];
}

/** @typedef {ReturnType<typeof createInputs>} Inputs */

/**
 * @param {Inputs} inputs
 * @returns {Project["hourly_rate"] | undefined} Undefined when what is typed is no amount.
 */
function readRate({ amount, currency }) {
  if (amount.value.trim() === "") return null;
  const code = currency.value.trim().toUpperCase();
  const minor = parseAmount(amount.value, code);
  return minor === null ? undefined : { amount: minor, currency: code };
}

/** @param {Inputs} inputs */
function read(inputs) {
  return {
    name: inputs.name.value.trim(),
    client_name: inputs.client.value.trim() || null,
    color: inputs.color.read(),
    billable: inputs.billable.checked,
    hourly_rate: readRate(inputs) ?? null,
  };
}

/**
 * Say what is wrong next to the fields. Returns whether all is right.
 *
 * @param {Inputs} inputs
 * @param {{name: import("../../lib/signal.js").Signal<string>, rate: import("../../lib/signal.js").Signal<string>}} errors
 */
function check(inputs, errors) {
  const hasName = inputs.name.value.trim() !== "";
  const hasRate = readRate(inputs) !== undefined;
  errors.name.value = hasName ? "" : t("projects.no_name");
  errors.rate.value = hasRate ? "" : t("projects.no_amount");
  inputs.name.setAttribute("aria-invalid", String(!hasName));
  inputs.amount.setAttribute("aria-invalid", String(!hasRate));
  if (!hasName) inputs.name.focus();
  else if (!hasRate) inputs.amount.focus();
  return hasName && hasRate;
}

/**
 * @param {Project | null} project
 * @param {ReturnType<typeof read>} fields
 * @param {boolean} rerate
 */
async function store(project, fields, rerate) {
  if (!project) {
    await createProject(fields);
    return;
  }
  const rerated = await updateProject(project, fields, { rerate });
  if (rerated !== null) notify(t("projects.rerated", { count: rerated }));
}

/**
 * @param {Project["hourly_rate"] | undefined} a
 * @param {Project["hourly_rate"]} b
 */
function isSameRate(a, b) {
  return a === undefined || (a?.amount === b?.amount && a?.currency === b?.currency);
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {import("../../lib/signal.js").ReadSignal<string>} [error]
 * @param {string} [errorId]
 */
function field(label, control, error, errorId) {
  return h("div", { class: "field" }, h("label", { class: "field" }, label, control), [
    error && h("span", { class: "form-error", id: errorId, role: "alert" }, () => error.value),
  ]);
}
