// Tables that are sorted by their columns.

import { each, h } from "../../lib/dom.js";
import { computed, signal, untracked } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { moreButton } from "../submission.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
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

/** @typedef {{column: number, isDescending: boolean}} Order The column by its index; -1 is the order of the rows. */

const PAGE = 100;

/**
 * Create a table with a caption. The button in the head of a column sorts by it; a second click sorts the other way.
 *
 * The table follows the signals that `read` reads. While the columns stay, so do the elements, with the focus.
 *
 * @template Row
 * @param {() => Content<Row>} read
 */
export function dataTable(read) {
  const content = computed(read);
  const order = signal(/** @type {Order} */ ({ column: -1, isDescending: false }));
  const shape = computed(() =>
    JSON.stringify([content.value.caption, content.value.columns.map(({ label }) => label)]),
  );
  return h("div", { class: "sortable-table" }, () => shape.value && untracked(() => table(content, order)));
}

/**
 * @template Row
 * @param {import("../../lib/signal.js").ReadSignal<Content<Row>>} content
 * @param {import("../../lib/signal.js").Signal<Order>} order
 */
function table(content, order) {
  const { caption, columns, foot } = content.peek();
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
  const element = h(
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
    body,
    foot &&
      h(
        "tfoot",
        null,
        h("tr", null, () => content.value.foot?.map((cell, index) => footCell(cell, index, columns[index]?.isNumber))),
      ),
  );
  return [scroller(caption, element), button(body)];
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
  const sort = sorter(columns[column], isDescending);
  return sort(rows)
    .flatMap((row) => [{ row, outer: null }, ...sort(children(row)).map((inner) => ({ row: inner, outer: row }))])
    .map((item, index) => ({ ...item, index }));
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
function head({ label, isNumber = false, action, value }, index, order) {
  const name = { scope: "col", class: isNumber ? "number" : "" };
  if (!value) return h("th", name, action ? h("span", { class: "visually-hidden" }, label) : label);
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
 * @param {import("../../lib/signal.js").ReadSignal<Content<Row>>} content Read without following it: the item changes with it.
 * @param {import("../../lib/signal.js").ReadSignal<Item<Row>>} item
 */
function bodyRow(content, item) {
  return h(
    "tr",
    { class: () => (item.value.outer ? "is-inner" : "") },
    content.peek().columns.map(({ action, isNumber }, index) => {
      const column = () => content.peek().columns[index];
      const cell = action
        ? actionButton(() => column()?.action ?? action, item, column()?.label ?? "")
        : () => column()?.cell?.(item.value.row);
      return index === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: isNumber ? "number" : "" }, cell);
    }),
  );
}

/**
 * @template Row
 * @param {() => Action<Row>} action
 * @param {import("../../lib/signal.js").ReadSignal<Item<Row>>} item
 * @param {string} text
 */
function actionButton(action, item, text) {
  return h(
    "button",
    {
      type: "button",
      class: "link explain-button",
      hidden: () => !action().isPossible(item.value.row),
      "aria-label": () => action().name(item.value.row),
      onclick: () => action().run(item.peek().row),
    },
    text,
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
