// What a dry run says about a file: the numbers, and each row that is not imported as it is.

import { h } from "../../lib/dom.js";
import { t } from "../../text/index.js";
import { formatNumber } from "../../time/format.js";
import { countsText } from "./counts.js";

/** @typedef {import("../../types").Import} Import */

const MAX_SHOWN = 200;

/** @param {Import} result */
export function report(result) {
  return h("div", { class: "import-report" }, [
    h("h3", null, t("import.preview", { format: t(`import.format_${result.format}`) })),
    facts(result),
    messages("import.errors", result.errors, "is-error"),
    messages("import.notices", result.notices, ""),
    leftOut(result),
  ]);
}

/** @param {Import} result */
function facts({ rows, created, duplicates, skipped, errors }) {
  /** @type {[string, string][]} */
  const lines = [
    ["import.rows", formatNumber(rows)],
    ["import.would_create", countsText(created)],
    ["import.duplicates", formatNumber(duplicates)],
    ["import.skipped", formatNumber(skipped)],
    ["import.errors", formatNumber(errors.length)],
  ];
  return h(
    "dl",
    { class: "facts" },
    lines.map(([key, value]) => h("div", null, h("dt", null, t(key)), h("dd", null, value))),
  );
}

/**
 * @param {string} key
 * @param {Import["errors"]} items
 * @param {string} className
 */
function messages(key, items, className) {
  if (items.length === 0) return null;
  const heads = [t("import.row"), t("import.column"), t("import.message")];
  const rows = items.map(({ row, column, message }) => [
    row === 0 ? t("import.whole_file") : String(row),
    column ?? "",
    message,
  ]);
  return h("details", { class: `import-rows ${className}`, open: className === "is-error" }, [
    h("summary", null, `${t(key)} (${formatNumber(items.length)})`),
    table(t(key), heads, rows),
  ]);
}

/** @param {Import} result */
function leftOut({ left_out }) {
  if (left_out.length === 0) return null;
  const rows = left_out.map(({ row, reason }) => [String(row), reason]);
  return h("details", { class: "import-rows" }, [
    h("summary", null, `${t("import.left_out")} (${formatNumber(left_out.length)})`),
    table(t("import.left_out"), [t("import.row"), t("import.reason")], rows),
  ]);
}

/**
 * @param {string} name
 * @param {string[]} heads
 * @param {string[][]} rows
 */
function table(name, heads, rows) {
  return h("div", { class: "table-box", role: "region", "aria-label": name, tabindex: "0" }, [
    h("table", null, [
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        null,
        rows.slice(0, MAX_SHOWN).map((cells) =>
          h(
            "tr",
            null,
            cells.map((cell) => h("td", null, h("bdi", null, cell))),
          ),
        ),
      ),
    ]),
    rows.length > MAX_SHOWN && h("p", { class: "muted" }, t("import.first_rows", { count: MAX_SHOWN })),
  ]);
}
