// Tables that are sorted by their columns.

import { each, h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { moreButton } from "../submission.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
 * @property {string} [id] Tells it from the others. Default: the label. Needed if the label changes or is that of another.
 * @property {boolean} [isNumber]
 * @property {(row: Row) => number | string} [value] What it is sorted by.
 * @property {(row: Row) => import("../../lib/dom.js").Child} [cell]
 * @property {Action<Row>} [action] A column with a button in place of a cell. Its label is not shown.
 */

/**
 * @template Row
 * @typedef {{name: (row: Row) => string, isPossible: (row: Row) => boolean, run: (row: Row) => void}} Action
 */

/**
 * @template Row
 * @typedef {object} Content
 * @property {string} caption
 * @property {Column<Row>[]} columns The first one names the row.
 * @property {Row[]} rows
 * @property {(row: Row) => Row[]} [children] The rows that stand below a row.
 * @property {(row: Row) => string | null} [key] Tells a row from its neighbours. Needed if rows have buttons.
 * @property {import("../../lib/dom.js").Child[]} [foot] The cells of the last row.
 */

/**
 * @template Row
 * @typedef {{row: Row, outer: Row | null, index: number}} Item A row, and the one above that it belongs to.
 */

/**
 * @template Row
 * @typedef {{column: Column<Row>, row: Row}} Cell
 */

/** @typedef {{column: string | null, isDescending: boolean}} Order The column by its id; null is the order of the rows. */

/**
 * @template T
 * @typedef {import("../../lib/signal.js").ReadSignal<T>} ReadSignal
 */

const PAGE = 100;

/**
 * Create a table with a caption. The button in the head of a column sorts by it; a second click sorts the other way.
 *
 * The table follows the signals that `read` reads. The elements of rows and columns that stay also stay, with the focus.
 *
 * @template Row
 * @param {() => Content<Row>} read
 */
export function dataTable(read) {
  const content = computed(read);
  const order = signal(/** @type {Order} */ ({ column: null, isDescending: false }));
  const items = computed(() => sortedItems(content.value, order.value));
  const { limit, button } = rowLimit(() => items.value.length);
  const body = each(
    h("tbody", null),
    () => items.value.slice(0, limit.value),
    ({ row, outer, index }) => {
      const { key } = content.peek();
      return key ? JSON.stringify(outer ? [key(outer), key(row)] : [key(row)]) : String(index);
    },
    (item) => bodyRow(content, item),
  );
  const caption = () => content.value.caption;
  const element = h(
    "table",
    { class: "data-table" },
    h("caption", null, caption),
    h(
      "thead",
      null,
      each(
        h("tr", null),
        () => content.value.columns,
        idOf,
        (column) => head(column, order),
      ),
    ),
    body,
    content.peek().foot && h("tfoot", null, footRow(content)),
  );
  return h("div", { class: "sortable-table" }, scroller(caption, element), button(body));
}

/** @param {Pick<Column<any>, "id" | "label">} column */
function idOf({ id, label }) {
  return id ?? label;
}

/**
 * Create the limit of the rows that are shown.
 *
 * @param {() => number} count How many rows there are.
 * @returns `button` creates the button that raises the limit while there are more, for the element with the rows.
 */
export function rowLimit(count) {
  const limit = signal(PAGE);
  const hidden = () => Math.max(0, count() - limit.value);
  const button = (/** @type {Element} */ rows) =>
    moreButton(rows, {
      hasMore: () => hidden() > 0,
      more: () => {
        limit.value = limit.peek() + 5 * PAGE;
      },
      text: () => t("reports.more_rows", { count: Math.min(5 * PAGE, hidden()) }),
    });
  return { limit, button };
}

/**
 * @template Row
 * @param {Content<Row>} content
 * @param {Order} order
 * @returns {Item<Row>[]}
 */
function sortedItems({ columns, rows, children = () => [] }, { column, isDescending }) {
  const sort = sorter(
    columns.find((each) => idOf(each) === column),
    isDescending,
  );
  return sort(rows)
    .flatMap((row) => [{ row, outer: null }, ...sort(children(row)).map((inner) => ({ row: inner, outer: row }))])
    .map((item, index) => ({ ...item, index }));
}

/**
 * Create a box that scrolls what is wider than it, also by keyboard.
 *
 * @param {string | (() => string)} label
 * @param {Element} content
 */
export function scroller(label, content) {
  return h("div", { class: "table-scroller", role: "group", "aria-label": label, tabindex: "0" }, content);
}

/**
 * @template Row
 * @param {ReadSignal<Column<Row>>} column
 * @param {import("../../lib/signal.js").Signal<Order>} order
 */
function head(column, order) {
  const { isNumber = false, action, value } = column.peek();
  const name = { scope: "col", class: isNumber ? "number" : "" };
  const label = () => column.value.label;
  if (!value) return h("th", name, action ? h("span", { class: "visually-hidden" }, label) : label);
  const id = idOf(column.peek());
  const sort = () => {
    const { column: before, isDescending } = order.peek();
    order.value = { column: id, isDescending: before === id ? !isDescending : isNumber };
  };
  const direction = () => {
    if (order.value.column !== id) return "none";
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
 * @param {ReadSignal<Content<Row>>} content Read without following it: the item changes with it.
 * @param {ReadSignal<Item<Row>>} item
 */
function bodyRow(content, item) {
  const cells = () => {
    const { row } = item.value;
    return content.peek().columns.map((column) => ({ column, row }));
  };
  return each(
    h("tr", { class: () => (item.value.outer ? "is-inner" : "") }),
    cells,
    ({ column }) => idOf(column),
    (cell) => bodyCell(cell, cell.peek().column === content.peek().columns[0]),
  );
}

/**
 * @template Row
 * @param {ReadSignal<Cell<Row>>} cell
 * @param {boolean} isFirst
 */
function bodyCell(cell, isFirst) {
  const { action, isNumber } = cell.peek().column;
  const child = action ? actionButton(action, cell) : () => cell.value.column.cell?.(cell.value.row);
  return tableCell(child, isFirst, isNumber);
}

/**
 * @template Row
 * @param {Action<Row>} first
 * @param {ReadSignal<Cell<Row>>} cell
 */
function actionButton(first, cell) {
  const action = () => cell.value.column.action ?? first;
  return h(
    "button",
    {
      type: "button",
      class: "link explain-button",
      hidden: () => !action().isPossible(cell.value.row),
      "aria-label": () => action().name(cell.value.row),
      onclick: () => action().run(cell.peek().row),
    },
    () => cell.value.column.label,
  );
}

/** @param {ReadSignal<Content<any>>} content */
function footRow(content) {
  const cells = () => {
    const { columns, foot = [] } = content.value;
    return columns.map((column, index) => ({ column, child: foot[index] }));
  };
  return each(
    h("tr", null),
    cells,
    ({ column }) => idOf(column),
    (cell) => {
      const { column } = cell.peek();
      return tableCell(() => cell.value.child, column === content.peek().columns[0], column.isNumber);
    },
  );
}

/**
 * @param {import("../../lib/dom.js").Child} child
 * @param {boolean} isFirst Whether it names the row.
 * @param {boolean} [isNumber]
 */
function tableCell(child, isFirst, isNumber = false) {
  return isFirst ? h("th", { scope: "row" }, child) : h("td", { class: isNumber ? "number" : "" }, child);
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
