// Exports of a time range, and of the whole account.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { attemptOnce } from "../../parts/notice.js";
import { saveFile } from "../../parts/save.js";
import { now } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { exportAccount, exportEntries } from "../../store/transfer.js";
import { t } from "../../text/index.js";
import { decimalSeparator } from "../../time/format.js";
import { addDays, dayOf } from "../../time/zones.js";

const EXTENSIONS = ["csv", "xlsx", "ics", "ndjson"];

export function exportPanel() {
  const today = dayOf(now(), zone.peek());
  const from = dateInput(`${today.slice(0, 8)}01`);
  const to = dateInput(today);
  const forExcel = h("input", { type: "checkbox" });
  const error = signal("");

  /** @param {string} extension */
  async function save(extension) {
    const isValid = from.value !== "" && to.value !== "" && from.value <= to.value;
    error.value = isValid ? "" : t("import.no_range");
    if (!isValid) return;
    const format = extension === "csv" && forExcel.checked ? spreadsheetFormat() : {};
    // The API takes the day after the last one.
    const range = { from: from.value, to: addDays(to.value, 1), timezone: zone.peek() };
    saveFile(await exportEntries(extension, { ...range, ...format }));
  }

  return h("section", { class: "panel", "aria-labelledby": "export-title" }, [
    h("h2", { id: "export-title" }, t("import.export")),
    h("div", { class: "export-fields" }, [
      h("label", { class: "field" }, t("import.from"), from),
      h("label", { class: "field" }, t("import.to"), to),
      h("label", { class: "check" }, forExcel, t("import.for_excel")),
    ]),
    h("p", { class: "form-error", role: "alert" }, () => error.value),
    h(
      "div",
      { class: "view-actions" },
      EXTENSIONS.map((extension) =>
        h(
          "button",
          { type: "button", onclick: attemptOnce(() => save(extension)) },
          t("import.export_as", { format: extension.toUpperCase() }),
        ),
      ),
    ),
    h("h3", null, t("import.account")),
    h("p", { class: "muted" }, t("import.account_hint")),
    h(
      "button",
      { type: "button", onclick: attemptOnce(async () => saveFile(await exportAccount())) },
      t("import.account_save"),
    ),
  ]);
}

/** @param {string} value */
function dateInput(value) {
  return h("input", { type: "date", value, max: "9998-12-30" });
}

/** Excel reads the separators of its language, and needs a byte order mark for other than Latin letters. */
function spreadsheetFormat() {
  const isComma = decimalSeparator() === ",";
  return { bom: true, ...(isComma ? { delimiter: "semicolon", decimal: "comma" } : {}) };
}
