// The frame of a chart: it is drawn in the width that it has, and its points are reached by pointer and by keyboard.

import { h } from "../../lib/dom.js";
import { computed, onCleanup, signal } from "../../lib/signal.js";

/**
 * @typedef {{title: string, lines: string[]}} Point What is shown about a point: its name, and its values.
 * @typedef {(element: SVGElement, point: Point) => SVGElement} AddPoint
 */

const TOOLTIP_WIDTH = 260;

/**
 * Create the frame.
 *
 * Arrow keys go from point to point, and with `step` from row to row of points.
 *
 * @param {(width: number, addPoint: AddPoint) => SVGElement} draw Called again when the width changes.
 * @param {{step?: number, isVertical?: boolean, maxWidth?: number}} [options]
 */
export function chartFrame(draw, { step = 1, maxWidth = Number.POSITIVE_INFINITY } = {}) {
  const width = signal(0);
  const shown = signal(/** @type {{point: Point, x: number, y: number} | null} */ (null));
  /** @type {SVGElement[]} */
  let elements = [];
  /** @type {Map<Element, Point>} */
  let points = new Map();
  let active = 0;

  /** @type {AddPoint} */
  function addPoint(element, point) {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", [point.title, ...point.lines].join(", "));
    element.setAttribute("tabindex", elements.length === active ? "0" : "-1");
    element.classList.add("chart-point");
    elements.push(element);
    points.set(element, point);
    return element;
  }

  function redraw() {
    const space = Math.min(width.value, maxWidth);
    if (space === 0) return null;
    const hadFocus = elements.some((element) => element === document.activeElement);
    [elements, points] = [[], new Map()];
    const drawing = draw(space, addPoint);
    if (active >= elements.length) activate(0);
    if (hadFocus) queueMicrotask(() => elements[active]?.focus());
    return drawing;
  }

  /** @param {number} index */
  function activate(index) {
    elements[active]?.setAttribute("tabindex", "-1");
    active = Math.max(0, Math.min(index, elements.length - 1));
    elements[active]?.setAttribute("tabindex", "0");
  }

  /** @param {Event} event */
  function show(event) {
    const element = event.target instanceof Element ? event.target.closest(".chart-point") : null;
    const point = element && points.get(element);
    if (!point) {
      shown.value = null;
      return;
    }
    const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
    const middle = inner.x + inner.width / 2 - outer.x;
    const x = Math.max(0, Math.min(middle - TOOLTIP_WIDTH / 2, outer.width - TOOLTIP_WIDTH));
    shown.value = { point, x, y: Math.max(0, inner.y - outer.y) };
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key === "Escape" && shown.peek()) {
      event.stopPropagation();
      shown.value = null;
      return;
    }
    const to = { ArrowRight: active + 1, ArrowLeft: active - 1, ArrowDown: active + step, ArrowUp: active - step };
    const target = { ...to, Home: 0, End: elements.length - 1 }[event.key];
    if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (target < 0 || target >= elements.length) return;
    activate(target);
    elements[active]?.focus();
  }

  const hide = () => {
    shown.value = null;
  };
  const box = h(
    "div",
    {
      class: "chart",
      onkeydown,
      onpointerover: show,
      onpointerleave: hide,
      onfocusin: (/** @type {FocusEvent} */ event) => {
        const index = elements.indexOf(/** @type {SVGElement} */ (event.target));
        if (index >= 0) activate(index);
        show(event);
      },
      onfocusout: hide,
    },
    redraw,
    tooltip(computed(() => shown.value)),
  );
  const observer = new ResizeObserver(() => {
    width.value = Math.floor(box.clientWidth);
  });
  observer.observe(box);
  onCleanup(() => observer.disconnect());
  return box;
}

/** The names of the points say the same to assistive technology. */
function tooltip(
  /** @type {import("../../lib/signal.js").ReadSignal<{point: Point, x: number, y: number} | null>} */ shown,
) {
  return () => {
    if (!shown.value) return null;
    const { point, x, y } = shown.value;
    const element = h(
      "div",
      { class: "chart-tooltip", "aria-hidden": "true" },
      h("b", null, h("bdi", null, point.title)),
      point.lines.map((line) => h("bdi", { class: "chart-tooltip-line" }, line)),
    );
    element.style.setProperty("left", `${x}px`);
    element.style.setProperty("top", `${y}px`);
    return element;
  };
}
