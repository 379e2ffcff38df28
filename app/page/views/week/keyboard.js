// The keys of the grid: walk over the entries, and move, resize, open, create and delete them.

import { effect, onCleanup, signal } from "../../lib/signal.js";
import { zone } from "../../store/profile.js";
import { changeTimes, createAt, open, remove, timesText, undoLast } from "./actions.js";
import { HOUR_MS } from "./days.js";
import { movedByDays, movedTo, withEnd, withStart } from "./times.js";

/**
 * @typedef {import("./model.js").WeekModel} WeekModel
 * @typedef {import("./model.js").Item} Item
 * @typedef {import("./model.js").Range} Range
 */

/** Changes of one entry by several key presses are one change, sent this long after the last. */
const QUIET_MS = 700;

/**
 * Make the grid follow the keyboard.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} scroller
 * @param {HTMLElement} body
 * @returns {import("../../lib/signal.js").ReadSignal<string>} What to announce.
 */
export function followKeys(model, scroller, body) {
  const announcement = signal("");
  const pending = pendingChange(model, announcement);

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const handled = shortcut(event) || onEntry(event);
    if (!handled) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  function shortcut(event) {
    const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
    if ((ctrlKey || metaKey) && !shiftKey && key.toLowerCase() === "z") {
      if (!pending.cancel()) void undoLast();
      return true;
    }
    if (key === "n" && !ctrlKey && !metaKey && !altKey) {
      const item = activeItem(model);
      void createAt(model, item?.to);
      return true;
    }
    return false;
  }

  /** @param {KeyboardEvent} event */
  function onEntry(event) {
    const item = entryOf(model, event.target);
    if (!item) return false;
    const { key } = event;
    if (key === "Escape") return pending.cancel();
    if (key === "Delete" || key === "Backspace") {
      pending.cancel();
      const next = neighbour(model, item);
      void remove(model, item);
      focusEntry(model, scroller, body, item.isRunning ? item : (next ?? null));
      return true;
    }
    const changed = changedBy(event, pending.rangeOf(item), model.step.peek());
    if (changed) {
      pending.show(item, item.isRunning ? { from: changed.from, to: item.to } : changed);
      focusEntry(model, scroller, body, item);
      return true;
    }
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false;
    const target = walk(model, item, key);
    if (target) focusEntry(model, scroller, body, target);
    return target !== undefined;
  }

  /** @param {KeyboardEvent} event */
  function onkeyup({ key }) {
    if (key === "Alt" || key === "Control" || key === "Shift") pending.send();
  }

  /** @param {FocusEvent} event */
  function onfocusin({ target }) {
    const item = entryOf(model, target);
    if (item) model.active.value = item.id;
    pending.sendUnless(item?.id);
  }

  /** @param {MouseEvent} event */
  function onclick({ target }) {
    const item = /** @type {Element} */ (target).closest("button") ? entryOf(model, target) : null;
    if (item) void open(model, item);
  }

  scroller.addEventListener("keydown", onkeydown);
  scroller.addEventListener("keyup", onkeyup);
  body.addEventListener("focusin", onfocusin);
  body.addEventListener("click", onclick);
  onCleanup(() => pending.send());
  keepFocus(model, scroller, body);
  return announcement;
}

/**
 * Keep the focus on an entry that gets another block, because an undo or another device has moved it to another day. Without
 * a block the grid gets it.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} scroller
 * @param {HTMLElement} body
 */
function keepFocus(model, scroller, body) {
  let focused = /** @type {Element | null} */ (null);
  scroller.addEventListener("focusin", ({ target }) => {
    focused = /** @type {Element} */ (target);
  });
  effect(() => {
    void model.placed.value;
    // Other effects of the same change have not removed the block yet.
    queueMicrotask(() => {
      if (!focused || focused.isConnected || !scroller.isConnected) return;
      focused = null;
      if (document.activeElement !== document.body) return;
      (blockOf(body, model.active.peek()) ?? scroller).focus({ preventScroll: true });
    });
  });
}

/**
 * @param {HTMLElement} body
 * @param {string | null} id
 */
function blockOf(body, id) {
  return /** @type {HTMLElement | null} */ (body.querySelector(`[data-entry="${id}"] button`));
}

/**
 * Return the range that an arrow key with a modifier makes; null for another key.
 *
 * Alt or Ctrl moves, Shift moves the end, Shift with Alt or Ctrl the start.
 *
 * @param {KeyboardEvent} event
 * @param {Range} range
 * @param {number} step
 */
function changedBy({ key, altKey, ctrlKey, shiftKey }, range, step) {
  const isMove = altKey || ctrlKey;
  const down = { ArrowDown: 1, ArrowUp: -1 }[key] ?? 0;
  const days = { ArrowRight: 1, ArrowLeft: -1 }[key] ?? 0;
  if (down !== 0 && shiftKey) {
    return isMove ? withStart(range, range.from + down * step, step) : withEnd(range, range.to + down * step, step);
  }
  if (down !== 0 && isMove) return movedTo(range, range.from + down * step);
  if (days !== 0 && isMove && !shiftKey) return movedByDays(range, days, zone.peek());
  return null;
}

/**
 * The change that the keys have made and that is not sent yet.
 *
 * @param {WeekModel} model
 * @param {import("../../lib/signal.js").Signal<string>} announcement
 */
function pendingChange(model, announcement) {
  /** @type {{item: Item, range: Range, draft: import("./model.js").Draft} | null} */
  let change = null;
  /** @type {ReturnType<typeof setTimeout>} */
  let timeout;

  function send() {
    clearTimeout(timeout);
    const sent = change;
    change = null;
    if (sent) void changeTimes(model, sent.item, sent.range);
  }

  return {
    send,
    /** @param {Item} item */
    rangeOf: (item) => (change?.item.id === item.id ? change.range : { from: item.from, to: item.to }),
    /** @param {string | undefined} id */
    sendUnless(id) {
      if (change && change.item.id !== id) send();
    },
    /**
     * @param {Item} item
     * @param {Range} range
     */
    show(item, range) {
      clearTimeout(timeout);
      change = {
        item: change?.item.id === item.id ? change.item : item,
        range,
        draft: model.drafts.show(item.id, range),
      };
      announcement.value = timesText(range);
      timeout = setTimeout(send, QUIET_MS);
    },
    /** Return whether there was a change. */
    cancel() {
      clearTimeout(timeout);
      if (!change) return false;
      model.drafts.remove(change.item.id, change.draft);
      announcement.value = timesText(change.item);
      change = null;
      return true;
    },
  };
}

/**
 * Return the entry that a plain key leads to, null when there is none in that direction, undefined for another key.
 *
 * @param {WeekModel} model
 * @param {Item} item
 * @param {string} key
 * @returns {Item | null | undefined}
 */
function walk(model, item, key) {
  const days = model.placed.peek();
  const index = days.findIndex((segments) => segments.some((each) => each.item.id === item.id));
  const day = days[index] ?? [];
  const position = day.findIndex((each) => each.item.id === item.id);
  if (key === "ArrowDown") return day[position + 1]?.item ?? null;
  if (key === "ArrowUp") return day[position - 1]?.item ?? null;
  if (key === "Home") return day[0]?.item ?? null;
  if (key === "End") return day.at(-1)?.item ?? null;
  if (key === "ArrowRight") return nearest(days.slice(index + 1), item, model);
  if (key === "ArrowLeft") return nearest(days.slice(0, index).reverse(), item, model);
  return undefined;
}

/**
 * Return the entry of the first day with entries that is nearest in time of day.
 *
 * @param {import("./layout.js").Segment<Item>[][]} days
 * @param {Item} item
 * @param {WeekModel} model
 */
function nearest(days, item, model) {
  const day = days.find((segments) => segments.length > 0) ?? [];
  const timeOfDay = (/** @type {number} */ from) => {
    const start = model.shown.peek().find((each) => each.from <= from && from < each.to)?.from ?? from;
    return from - start;
  };
  const distance = (/** @type {number} */ from) => Math.abs(timeOfDay(from) - timeOfDay(item.from));
  return day.reduce(
    (/** @type {Item | null} */ best, { item: each }) =>
      best && distance(best.from) <= distance(each.from) ? best : each,
    null,
  );
}

/**
 * @param {WeekModel} model
 * @param {Item} item
 */
function neighbour(model, item) {
  return (
    walk(model, item, "ArrowDown") ??
    walk(model, item, "ArrowUp") ??
    walk(model, item, "ArrowRight") ??
    walk(model, item, "ArrowLeft")
  );
}

/**
 * Focus an entry and bring it into sight. Without one the grid gets the focus.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} scroller
 * @param {HTMLElement} body
 * @param {{id: string} | null} item
 */
function focusEntry(model, scroller, body, item) {
  const current = item && model.items.peek().find((each) => each.id === item.id);
  if (!current) {
    scroller.focus();
    return;
  }
  model.active.value = current.id;
  const day = model.shown.peek().find(({ from, to }) => from <= current.from && current.from < to);
  if (day) scrollTo(scroller, body, ((current.from - day.from) / HOUR_MS) * model.hourHeight.peek());
  // An entry that was moved to another week is not shown.
  (blockOf(body, current.id) ?? scroller).focus({ preventScroll: true });
}

/**
 * @param {HTMLElement} scroller
 * @param {HTMLElement} body
 * @param {number} top
 */
function scrollTo(scroller, body, top) {
  const head = body.offsetTop - scroller.offsetTop;
  const visible = scroller.clientHeight - head;
  if (top < scroller.scrollTop) scroller.scrollTop = top - 16;
  else if (top > scroller.scrollTop + visible - 48) scroller.scrollTop = top - visible / 2;
}

/** @param {WeekModel} model */
function activeItem(model) {
  return model.items.peek().find((each) => each.id === model.active.peek());
}

/**
 * @param {WeekModel} model
 * @param {EventTarget | null} target
 */
function entryOf(model, target) {
  const element = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest("[data-entry]")) : null;
  return element ? (model.items.peek().find((each) => each.id === element.dataset.entry) ?? null) : null;
}
