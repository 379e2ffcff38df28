// The dialog that creates or changes a project.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { showDialog } from "../../parts/dialog.js";
import { notify } from "../../parts/notice.js";
import { describeByField, fieldError, submission } from "../../parts/submission.js";
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
  const errors = signal(/** @type {Record<string, string>} */ ({}));
  const isRateNew = signal(false);
  const rerate = h("input", { type: "checkbox" });
  const noteRate = () => {
    isRateNew.value = project !== null && !isSameRate(readRate(inputs), project.hourly_rate);
  };

  const onsubmit = submission({
    check: () => check(inputs, errors),
    async save() {
      await store(project, read(inputs), rerate.checked && isRateNew.peek());
      close(true);
    },
    onfailure(failure) {
      errors.value = describeByField(failure, ["name", "client_name", "hourly_rate"]);
      focusFirst(inputs, errors.peek());
    },
  });

  return h("form", { class: "entry-form", onsubmit, novalidate: true }, [
    checkedField(t("projects.name"), inputs.name, "name", errors),
    checkedField(t("projects.client"), inputs.client, "client_name", errors),
    inputs.clients,
    inputs.color.element,
    h("label", { class: "check" }, inputs.billable, t("projects.billable")),
    h("div", { class: "rate-fields", oninput: noteRate, onchange: noteRate }, [
      checkedField(t("projects.rate"), inputs.amount, "hourly_rate", errors),
      field(t("projects.currency"), inputs.currency),
      inputs.currencies,
    ]),
    () =>
      isRateNew.value &&
      h("div", { class: "field" }, h("label", { class: "check" }, rerate, t("projects.rerate")), [
        h("span", { class: "muted" }, t("projects.rerate_hint")),
      ]),
    h("p", { class: "form-error", role: "alert" }, () => errors.value[""] ?? ""),
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
 * @param {import("../../lib/signal.js").Signal<Record<string, string>>} errors
 */
function check(inputs, errors) {
  const hasName = inputs.name.value.trim() !== "";
  const hasRate = readRate(inputs) !== undefined;
  errors.value = {
    ...(hasName ? {} : { name: t("projects.no_name") }),
    ...(hasRate ? {} : { hourly_rate: t("projects.no_amount") }),
  };
  focusFirst(inputs, errors.peek());
  return hasName && hasRate;
}

/**
 * Focus the first field with an error.
 *
 * @param {Inputs} inputs
 * @param {Record<string, string>} errors
 */
function focusFirst({ name, client, amount }, errors) {
  if (errors.name) name.focus();
  else if (errors.client_name) client.focus();
  else if (errors.hourly_rate) amount.focus();
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
 */
function field(label, control) {
  return h("label", { class: "field" }, label, control);
}

/**
 * Create a field with the text that says what is wrong with it.
 *
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} name As the body of the request names it.
 * @param {import("../../lib/signal.js").ReadSignal<Record<string, string>>} errors
 */
function checkedField(label, control, name, errors) {
  return h(
    "div",
    { class: "field" },
    field(label, control),
    fieldError(() => errors.value[name] ?? "", control),
  );
}
