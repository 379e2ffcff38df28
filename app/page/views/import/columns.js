// Which column of the file is which field, with a way to change it.

import { each, h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { t } from "../../text/index.js";

/** The fields of the API, those that files have most often first. */
const FIELDS = [
  ...["task", "description", "note", "project", "client", "tags", "categories"],
  ...["start", "end", "date", "end_date", "duration", "hours"],
  ...["duration_seconds", "duration_minutes", "duration_hours", "break"],
  ...["billable", "hourly_rate", "rate_or_amount", "amount", "currency"],
  ...["timezone", "user", "email", "first_name", "last_name", "kind", "entry_id"],
];

/**
 * @typedef {import("../../types").Import} Import
 * @typedef {import("./options.js").OptionsSignal} OptionsSignal
 * @typedef {{header: string, field: string, values: string[]}} Column The field is "" for a column that is not used.
 */

/**
 * Create the table of the columns. It is not there for a file without columns.
 *
 * @param {object} options
 * @param {import("../../lib/signal.js").ReadSignal<Import | null>} options.preview
 * @param {import("../../lib/signal.js").ReadSignal<string[]>} options.headers Those of a file that cannot be read yet.
 * @param {OptionsSignal} options.options
 * @param {import("./options.js").ErrorsSignal} options.errors
 */
export function columnTable({ preview, headers, options, errors }) {
  const columns = computed(() =>
    preview.value ? columnsOf(preview.value) : unreadColumns(headers.value, options.value.columns),
  );
  const heads = ["import.header", "import.field", "import.samples"];
  return h("details", { class: "import-rows", open: true, hidden: () => columns.value.length === 0 }, [
    h("summary", null, t("import.columns")),
    h("p", { class: "muted" }, t("import.columns_hint")),
    h("p", { class: "form-error", role: "alert" }, () => errors.value.columns ?? ""),
    h("div", { class: "table-box", role: "region", "aria-label": t("import.columns"), tabindex: "0" }, [
      h("table", null, [
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            heads.map((head) => h("th", { scope: "col" }, t(head))),
          ),
        ),
        each(
          h("tbody"),
          () => columns.value,
          ({ header }) => header,
          (column) => columnRow(column, options),
        ),
      ]),
    ]),
  ]);
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<Column>} column
 * @param {OptionsSignal} options
 */
function columnRow(column, options) {
  const { header } = column.peek();
  const choices = [["", t("import.not_used")], ...FIELDS.map((name) => [name, t(`import.field_${name}`)])];
  const select = h(
    "select",
    {
      "aria-label": t("import.field_of", { header }),
      onchange: () => assign(options, column.peek(), select.value),
    },
    choices.map(([value, text]) => h("option", { value, selected: () => column.value.field === value }, text)),
  );
  return h("tr", null, [
    h("td", null, h("bdi", null, header)),
    h("td", null, select),
    h(
      "td",
      null,
      h("bdi", null, () => column.value.values.join(" · ")),
    ),
  ]);
}

/**
 * Let a column be this field, or none.
 *
 * @param {OptionsSignal} options
 * @param {Column} column
 * @param {string} field
 */
function assign(options, { header, field: before }, field) {
  const others = Object.entries(options.peek().columns).filter(([, name]) => name !== header);
  const freed = before ? { [before]: null } : {};
  options.value = {
    ...options.peek(),
    columns: { ...Object.fromEntries(others), ...freed, ...(field ? { [field]: header } : {}) },
  };
}

/** @param {Import} preview @returns {Column[]} */
function columnsOf({ columns: used = {}, ignored_columns: ignored }) {
  const read = Object.entries(used).map(([field, { header, values }]) => ({ header, field, values }));
  const names = new Set(read.map(({ header }) => header));
  const others = ignored.filter((header) => !names.has(header));
  return [...read, ...unreadColumns(others, {})];
}

/**
 * @param {string[]} headers
 * @param {Readonly<Record<string, string | null>>} mapping
 * @returns {Column[]}
 */
function unreadColumns(headers, mapping) {
  const fields = new Map(Object.entries(mapping).map(([field, header]) => [header, field]));
  return [...new Set(headers)].map((header) => ({ header, field: fields.get(header) ?? "", values: [] }));
}
