// Tables that are sorted by their columns.

import { h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { t } from "../../text/index.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
 * @property {boolean} [isNumber]
 * @property {boolean} [isAction] It has no name that is shown, and does not sort.
 * @property {(row: Row) => number | string} [value] What it is sorted by.
 * @property {(row: Row, level: number) => import("../../lib/dom.js").Child} cell
 */

/** @typedef {{column: number, isDescending: boolean}} Order The column by its index; -1 is the order of the rows. */

const PAGE = 100;
/** @type {Readonly<Order>} */
export const NO_ORDER = { column: -1, isDescending: false };

/**
 * Create a table with a caption. The button in the head of a column sorts by it; a second click sorts the other way.
 *
 * @template Row
 * @param {object} options
 * @param {string} options.caption
 * @param {Column<Row>[]} options.columns The first one names the row.
 * @param {Row[]} options.rows
 * @param {(row: Row) => Row[]} [options.children] The rows that stand below a row.
 * @param {import("../../lib/dom.js").Child[]} [options.foot] The cells of the last row.
 * @param {import("../../lib/signal.js").Signal<Order>} [options.order] A table that replaces this one can have the same.
 */
export function dataTable({ caption, columns, rows, children = () => [], foot, order = signal(NO_ORDER) }) {
  const limit = signal(PAGE);
  const flat = computed(() => {
    const sort = sorter(columns[order.value.column], order.value.isDescending);
    return sort(rows).flatMap((row) => [
      { row, level: 0 },
      ...sort(children(row)).map((each) => ({ row: each, level: 1 })),
    ]);
  });
  const table = h(
    "table",
    { class: "data-table" },
    h("caption", null, caption),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        columns.map((column, index) => head(column, index, order)),
      ),
    ),
    h("tbody", null, () => flat.value.slice(0, limit.value).map(({ row, level }) => bodyRow(columns, row, level))),
    foot &&
      h(
        "tfoot",
        null,
        h(
          "tr",
          null,
          foot.map((cell, index) => footCell(cell, index, columns[index]?.isNumber)),
        ),
      ),
  );
  const more = () =>
    flat.value.length > limit.value &&
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          limit.value = limit.peek() + 5 * PAGE;
        },
      },
      t("reports.more_rows", { count: Math.min(5 * PAGE, flat.value.length - limit.value) }),
    );
  return h("div", { class: "sortable-table" }, scroller(caption, table), more);
}

/**
 * Create a box that scrolls what is wider than it, also by keyboard.
 *
 * @param {string} label
 * @param {Element} content
 */
export function scroller(label, content) {
  return h("div", { class: "table-scroller", role: "group", "aria-label": label, tabindex: "0" }, content);
}

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {number} index
 * @param {import("../../lib/signal.js").Signal<Order>} order
 */
function head({ label, isNumber = false, isAction = false, value }, index, order) {
  const name = { scope: "col", class: isNumber ? "number" : "" };
  if (!value) return h("th", name, isAction ? h("span", { class: "visually-hidden" }, label) : label);
  const sort = () => {
    const { column, isDescending } = order.peek();
    order.value = { column: index, isDescending: column === index ? !isDescending : isNumber };
  };
  const direction = () => {
    if (order.value.column !== index) return "none";
    return order.value.isDescending ? "descending" : "ascending";
  };
  return h(
    "th",
    { ...name, "aria-sort": direction },
    h("button", { type: "button", class: "sort-button", onclick: sort }, h("bdi", null, label), () =>
      arrow(direction()),
    ),
  );
}

/** @param {string} direction */
function arrow(direction) {
  const text = { ascending: "▲", descending: "▼" }[direction] ?? "";
  return h("span", { class: "sort-arrow", "aria-hidden": "true" }, text);
}

/**
 * @template Row
 * @param {Column<Row>[]} columns
 * @param {Row} row
 * @param {number} level
 */
function bodyRow(columns, row, level) {
  return h(
    "tr",
    { class: level > 0 ? "is-inner" : "" },
    columns.map((column, index) =>
      index === 0
        ? h("th", { scope: "row" }, column.cell(row, level))
        : h("td", { class: column.isNumber ? "number" : "" }, column.cell(row, level)),
    ),
  );
}

/**
 * @param {import("../../lib/dom.js").Child} cell
 * @param {number} index
 * @param {boolean} [isNumber]
 */
function footCell(cell, index, isNumber = false) {
  return index === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: isNumber ? "number" : "" }, cell);
}

/**
 * @template Row
 * @param {Column<Row> | undefined} column Without one the order stays.
 * @param {boolean} isDescending
 * @returns {(rows: Row[]) => Row[]}
 */
function sorter(column, isDescending) {
  const value = column?.value;
  if (!value) return (rows) => rows;
  const direction = isDescending ? -1 : 1;
  return (rows) => [...rows].sort((a, b) => direction * compare(value(a), value(b)));
}

/**
 * @param {number | string} a
 * @param {number | string} b
 */
function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}
