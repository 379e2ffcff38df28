// A long list of rows of equal height, of which only those near the visible part of the page exist.

import { each, h } from "../lib/dom.js";
import { computed, effect, onCleanup, signal } from "../lib/signal.js";

/** Rows that exist above and below the visible ones, so that Tab reaches the next ones. */
const MARGIN_ROWS = 10;
/** Rows are added and removed by this number, so that not each step of a scroll changes the document. */
const STEP_ROWS = 5;
/** Rows before the end at which more are loaded. */
const MORE_BEFORE_END = 60;
const FIRST_ROW_HEIGHT = 48;

/**
 * @template Item
 * @typedef {object} Options
 * @property {string} label
 * @property {() => readonly Item[]} items
 * @property {(item: Item) => string} key
 * @property {(item: import("../lib/signal.js").ReadSignal<Item>) => Element[]} render The content of a row.
 * @property {() => boolean} hasMore
 * @property {() => void} more Called when the last rows come near.
 * @property {() => void} onempty Called when the row with the focus has gone and no other is left.
 */

/** @typedef {{element: Element, index: number, control: string}} Place The control that has the focus. */

/**
 * Create the list. Its style sheet gives the rows their height; each row has position: absolute.
 *
 * A control with the attribute data-control keeps the focus in place: when its row goes, that of the next row has it.
 *
 * @template Item
 * @param {Options<Item>} options
 */
export function windowedList({ label, items, key, render, hasMore, more, onempty }) {
  const rows = computed(() => items().map((item, index) => ({ item, index })));
  const list = h("ul", { class: "windowed", "aria-label": label });
  const rowHeight = signal(FIRST_ROW_HEIGHT);
  const visible = signal({ from: 0, to: 30 });
  const focused = signal(/** @type {Place | null} */ (null));

  const shown = computed(() => {
    const { from, to } = visible.value;
    const near = rows.value.slice(from, to);
    const kept = rows.value[focused.value?.index ?? -1];
    if (!kept || (kept.index >= from && kept.index < to)) return near;
    return kept.index < from ? [kept, ...near] : [...near, kept];
  });

  function measure() {
    const first = list.firstElementChild;
    if (first instanceof HTMLElement && first.offsetHeight > 0) rowHeight.value = first.offsetHeight;
    const { top } = list.getBoundingClientRect();
    const steps = STEP_ROWS * rowHeight.peek();
    const from = Math.max(0, Math.floor(-top / steps) * STEP_ROWS - MARGIN_ROWS);
    const to = Math.max(0, Math.ceil((innerHeight - top) / steps) * STEP_ROWS + MARGIN_ROWS);
    const { from: oldFrom, to: oldTo } = visible.peek();
    if (from !== oldFrom || to !== oldTo) visible.value = { from, to };
    if (hasMore() && to > rows.peek().length - MORE_BEFORE_END) more();
  }

  followViewport(measure);
  each(
    list,
    () => shown.value,
    ({ item }) => key(item),
    (row) => createRow(row, rows, rowHeight, hasMore, render),
  );
  effect(() => list.style.setProperty("block-size", `${rows.value.length * rowHeight.value}px`));
  effect(() => {
    void rows.value;
    requestAnimationFrame(measure);
  });
  list.addEventListener("focusin", ({ target }) => {
    focused.value = positionOf(/** @type {Element} */ (target));
  });
  list.addEventListener("focusout", ({ relatedTarget }) => {
    // Without a related target the row may have been removed: its place is still needed.
    if (relatedTarget instanceof Node && !list.contains(relatedTarget)) focused.value = null;
  });
  keepFocus({ list, rows, focused, onempty });
  return list;
}

/**
 * @template Item
 * @param {import("../lib/signal.js").ReadSignal<{item: Item, index: number}>} row
 * @param {import("../lib/signal.js").ReadSignal<readonly unknown[]>} rows
 * @param {import("../lib/signal.js").ReadSignal<number>} rowHeight
 * @param {() => boolean} hasMore
 * @param {(item: import("../lib/signal.js").ReadSignal<Item>) => Element[]} render
 */
function createRow(row, rows, rowHeight, hasMore, render) {
  const item = computed(() => row.value.item);
  const element = h(
    "li",
    {
      "data-index": () => row.value.index,
      "aria-posinset": () => row.value.index + 1,
      "aria-setsize": () => (hasMore() ? -1 : rows.value.length),
    },
    render(item),
  );
  effect(() => element.style.setProperty("transform", `translateY(${row.value.index * rowHeight.value}px)`));
  return element;
}

/** @param {() => void} measure Called once a frame while the page is scrolled or resized. */
function followViewport(measure) {
  let isAsked = false;
  function ask() {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      measure();
    });
  }
  addEventListener("scroll", ask, { passive: true });
  addEventListener("resize", ask);
  onCleanup(() => {
    removeEventListener("scroll", ask);
    removeEventListener("resize", ask);
  });
}

/**
 * Move the focus to the row that has taken the place of a removed one.
 *
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {import("../lib/signal.js").ReadSignal<readonly unknown[]>} options.rows
 * @param {import("../lib/signal.js").Signal<Place | null>} options.focused
 * @param {() => void} options.onempty
 */
function keepFocus({ list, rows, focused, onempty }) {
  effect(() => {
    void rows.value;
    // Other effects of the same change have not removed the row yet.
    queueMicrotask(() => {
      const place = focused.peek();
      if (place?.element.isConnected) focused.value = positionOf(place.element);
      else if (place) moveFocus(place);
    });
  });
  /** @param {Place} place */
  function moveFocus(place) {
    focused.value = null;
    if (document.activeElement !== document.body) return;
    const row = list.querySelector(`[data-index="${Math.min(place.index, rows.peek().length - 1)}"]`);
    const control = row?.querySelector(`[data-control="${place.control}"]`) ?? row?.querySelector("[data-control]");
    if (control instanceof HTMLElement) control.focus({ preventScroll: true });
    else onempty();
  }
}

/**
 * @param {Element} element
 * @returns {Place}
 */
function positionOf(element) {
  const index = Number(element.closest("[data-index]")?.getAttribute("data-index") ?? -1);
  return { element, index, control: element.getAttribute("data-control") ?? "" };
}
