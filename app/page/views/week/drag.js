// Create, move and resize entries with a mouse, a pen or a finger.

import { onCleanup } from "../../lib/signal.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { changeTimes, createAt, createIn } from "./actions.js";
import { HOUR_MS } from "./days.js";
import { dayAfter, showDay } from "./model.js";
import { movedTo, rangeBetween, snap, withEnd, withStart } from "./times.js";

/**
 * @typedef {import("./model.js").WeekModel} WeekModel
 * @typedef {import("./model.js").Item} Item
 *
 * @typedef {object} Press A pointer that is down.
 * @property {number} pointerId
 * @property {"create" | "move" | "start" | "end"} kind
 * @property {Item | null} item
 * @property {number} origin The instant under the pointer when it went down.
 * @property {number} x Where it went down.
 * @property {number} y
 * @property {number} lastX
 * @property {number} lastY
 * @property {boolean} isTouch
 * @property {boolean} isDragging
 * @property {ReturnType<typeof setTimeout> | null} longPress
 */

const THRESHOLD_PX = 4;
const TOUCH_SLOP_PX = 10;
const LONG_PRESS_MS = 400;
const SWIPE_PX = 60;
/** The upper and lower edge of a block, as css/week.css shows them. */
const BLOCK_EDGE_PX = 6;
const EDGE_PX = 40;
const MAX_SCROLL_PX = 18;

/**
 * Make the grid follow the pointers.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} scroller Scrolls while a drag is near its upper or lower edge.
 * @param {HTMLElement} body The columns of the days.
 */
export function followPointers(model, scroller, body) {
  /** @type {Press | null} */
  let press = null;
  /** The click that ends a drag opens nothing. */
  let ignoresClick = false;
  let frame = 0;

  /** @param {PointerEvent} event */
  function onpointerdown(event) {
    ignoresClick = false;
    if (event.button !== 0 || !event.isPrimary) return;
    press = pressOf(event, model, body);
    if (press.isTouch) press.longPress = setTimeout(() => begin(true), LONG_PRESS_MS);
  }

  /** @param {PointerEvent} event */
  function onpointermove(event) {
    if (!press || event.pointerId !== press.pointerId) return;
    press.lastX = event.clientX;
    press.lastY = event.clientY;
    const distance = Math.hypot(event.clientX - press.x, event.clientY - press.y);
    if (press.isDragging) propose();
    else if (press.isTouch && distance > TOUCH_SLOP_PX) stopLongPress(press);
    else if (!press.isTouch && distance > THRESHOLD_PX) begin(false);
  }

  /** @param {boolean} isLongPress */
  function begin(isLongPress) {
    if (!press) return;
    if (press.item?.isRunning && press.kind !== "start") press.kind = "start";
    press.isDragging = true;
    // The press on the grid would begin to select text.
    getSelection()?.removeAllRanges();
    try {
      body.setPointerCapture(press.pointerId);
    } catch {
      // The pointer was lifted in this moment: pointerup follows.
    }
    if (isLongPress) navigator.vibrate?.(10);
    body.classList.add("is-dragging");
    propose();
    frame = requestAnimationFrame(scrollAtEdge);
  }

  function propose() {
    if (!press) return;
    const range = proposal(press, instantAt(model, body, press.lastX, press.lastY), model.step.peek());
    model.ghost.value = { ...range, id: press.item?.id ?? null, title: press.item?.title ?? t("entry.new") };
  }

  function scrollAtEdge() {
    if (!press?.isDragging) return;
    const { top, bottom } = scroller.getBoundingClientRect();
    // The heads of the days stay at the top.
    const upper = top + (scroller.firstElementChild?.clientHeight ?? 0);
    const over = Math.max(0, press.lastY - (bottom - EDGE_PX)) - Math.max(0, upper + EDGE_PX - press.lastY);
    if (over !== 0) {
      scroller.scrollTop += Math.sign(over) * Math.min(MAX_SCROLL_PX, Math.abs(over) / 2);
      propose();
    }
    frame = requestAnimationFrame(scrollAtEdge);
  }

  /** @param {PointerEvent} event */
  function onpointerup(event) {
    if (!press || event.pointerId !== press.pointerId) return;
    const ended = press;
    const range = model.ghost.peek();
    end();
    if (ended.isDragging && range) finish(ended, range);
    else if (ended.isTouch) swipe(ended, event);
  }

  /**
   * @param {Press} ended
   * @param {import("./model.js").Range} range
   */
  function finish(ended, range) {
    ignoresClick = true;
    const { from, to } = range;
    if (ended.item) void changeTimes(model, ended.item, { from, to });
    else void createIn(model, { from, to });
  }

  /**
   * @param {Press} ended
   * @param {PointerEvent} event
   */
  function swipe(ended, event) {
    const [dx, dy] = [event.clientX - ended.x, event.clientY - ended.y];
    if (Math.abs(dx) < SWIPE_PX || Math.abs(dx) < 2 * Math.abs(dy)) return;
    ignoresClick = true;
    showDay(dayAfter(model, dx < 0 ? 1 : -1));
  }

  /** Forget the press. What it proposed is gone. */
  function end() {
    if (press) stopLongPress(press);
    cancelAnimationFrame(frame);
    if (press?.isDragging) {
      model.ghost.value = null;
      body.classList.remove("is-dragging");
    }
    press = null;
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key !== "Escape" || !press) return;
    event.preventDefault();
    ignoresClick = true;
    end();
  }

  /** @param {MouseEvent} event */
  function onclick(event) {
    const target = /** @type {Element} */ (event.target);
    if (ignoresClick) {
      event.preventDefault();
      event.stopPropagation();
    } else if (!target.closest("[data-entry]")) {
      const instant = instantAt(model, body, event.clientX, event.clientY);
      void createAt(model, snap(instant, model.step.peek(), zone.peek(), Math.floor));
    }
    ignoresClick = false;
  }

  /** A drag by a finger must not scroll; what scrolls already is not a drag. @param {Event} event */
  function ontouchmove(event) {
    if (press?.isDragging && event.cancelable) event.preventDefault();
  }

  /** A long press is a drag here, not a menu. @param {Event} event */
  function oncontextmenu(event) {
    if (press?.isTouch) event.preventDefault();
  }

  body.addEventListener("pointerdown", onpointerdown);
  body.addEventListener("pointermove", onpointermove);
  body.addEventListener("pointerup", onpointerup);
  body.addEventListener("pointercancel", end);
  body.addEventListener("click", onclick, { capture: true });
  body.addEventListener("touchmove", ontouchmove, { passive: false });
  body.addEventListener("contextmenu", oncontextmenu);
  addEventListener("keydown", onkeydown, { capture: true });
  onCleanup(() => {
    end();
    removeEventListener("keydown", onkeydown, { capture: true });
  });
}

/**
 * @param {PointerEvent} event
 * @param {WeekModel} model
 * @param {HTMLElement} body
 * @returns {Press}
 */
function pressOf(event, model, body) {
  const target = /** @type {Element} */ (event.target);
  const block = /** @type {HTMLElement | null} */ (target.closest("[data-entry]"));
  const kind = block ? kindOf(block, event.clientY) : "create";
  const id = block?.dataset.entry;
  const item = model.items.peek().find((each) => each.id === id) ?? null;
  return {
    pointerId: event.pointerId,
    kind: item ? kind : "create",
    item,
    origin: instantAt(model, body, event.clientX, event.clientY),
    x: event.clientX,
    y: event.clientY,
    lastX: event.clientX,
    lastY: event.clientY,
    isTouch: event.pointerType === "touch",
    isDragging: false,
    longPress: null,
  };
}

/**
 * Return what a drag that begins at this height of a block does.
 *
 * @param {HTMLElement} block
 * @param {number} y
 */
function kindOf(block, y) {
  const { top, bottom, height } = block.getBoundingClientRect();
  const edge = Math.min(BLOCK_EDGE_PX, height / 4);
  if (y - top < edge && !block.classList.contains("continues-before")) return "start";
  if (bottom - y < edge && !block.classList.contains("continues-after")) return "end";
  return "move";
}

/**
 * Return the range that a drag has reached.
 *
 * @param {Press} press
 * @param {number} pointer The instant under the pointer.
 * @param {number} step
 */
function proposal({ kind, item, origin }, pointer, step) {
  const name = zone.peek();
  if (!item) return rangeBetween(origin, pointer, step, name);
  if (kind === "start") return withStart(item, snap(pointer, step, name), step);
  if (kind === "end") return withEnd(item, snap(pointer, step, name), step);
  return movedTo(item, snap(item.from + pointer - origin, step, name));
}

/**
 * Return the instant at a point of the grid.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} body
 * @param {number} x
 * @param {number} y
 */
function instantAt(model, body, x, y) {
  const { left, top, width } = body.getBoundingClientRect();
  const days = model.shown.peek();
  const index = Math.min(days.length - 1, Math.max(0, Math.floor(((x - left) / width) * days.length)));
  const day = days[index];
  if (!day) return 0;
  const instant = day.from + ((y - top) / model.hourHeight.peek()) * HOUR_MS;
  return Math.min(day.to, Math.max(day.from, instant));
}

/** @param {Press} press */
function stopLongPress(press) {
  if (press.longPress) clearTimeout(press.longPress);
  press.longPress = null;
}
