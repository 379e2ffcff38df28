// One entry, or the part of it that belongs to one day.

import { h } from "../../lib/dom.js";
import { effect } from "../../lib/signal.js";
import { projectDot } from "../../parts/icons.js";
import { project } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { timesText } from "./actions.js";
import { HOUR_MS } from "./days.js";

/**
 * @typedef {import("./model.js").WeekModel} WeekModel
 * @typedef {import("./layout.js").Segment<import("./model.js").Item>} Segment
 */

/** The heights in pixels from which a block has room for its times, and for the name of its project. */
const TIMES_PX = 34;
const PROJECT_PX = 52;
const LINE_PX = 16;

/**
 * Create the block. Its button opens the entry, its edges are dragged. Thousands are created while a full week scrolls:
 * a block has few elements and effects.
 *
 * @param {WeekModel} model
 * @param {import("../../lib/signal.js").ReadSignal<Segment>} segment
 */
export function block(model, segment) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "week-block-button";
  const element = document.createElement("li");
  element.className = "week-block";
  element.append(button);
  effect(() => {
    const height = place(element, model, segment.value);
    write(button, segment.value.item, height);
    element.dataset.entry = segment.value.item.id;
  });
  effect(() => {
    const { item, isFirst, dayIndex } = segment.value;
    const isReachable = model.active.value === item.id && (isFirst || dayIndex === 0);
    button.tabIndex = isReachable ? 0 : -1;
    element.classList.toggle("is-dragged", model.ghost.value?.id === item.id);
  });
  return element;
}

/**
 * Write what the block has room for.
 *
 * @param {HTMLButtonElement} button
 * @param {import("./model.js").Item} item
 * @param {number} height
 */
function write(button, item, height) {
  const label = labelOf(item);
  button.setAttribute("aria-label", label);
  button.title = label;
  const name = height >= PROJECT_PX ? project(item.projectId)?.name : undefined;
  button.replaceChildren(
    h("span", { class: "week-block-title" }, item.title),
    ...(height >= TIMES_PX ? [h("span", { class: "week-block-times" }, timesText(item))] : []),
    ...(name ? [h("span", { class: "week-block-project" }, projectDot(item.projectId), name)] : []),
  );
}

/**
 * Return what a screen reader says of an entry.
 *
 * @param {import("./model.js").Item} item
 */
export function labelOf(item) {
  const seconds = Math.floor((item.to - item.from) / 1000);
  const parts = [item.title, timesText(item), formatHours(seconds), project(item.projectId)?.name];
  const states = [item.isRunning && t("week.is_running"), item.entry.needs_review && t("week.needs_review")];
  return [...parts, ...states].filter(Boolean).join(", ");
}

/**
 * @param {HTMLElement} element
 * @param {WeekModel} model
 * @param {Segment} segment
 * @returns {number} The height in pixels.
 */
function place(element, model, segment) {
  const { item, from, to, isFirst, isLast, lane, lanes, width, dayIndex } = segment;
  const pixels = model.hourHeight.value / HOUR_MS;
  const height = (to - from) * pixels;
  const color = project(item.projectId)?.color;
  const { style, classList } = element;
  style.setProperty("--top", `${(from - (model.shown.value[dayIndex]?.from ?? from)) * pixels}px`);
  style.setProperty("--height", `${height}px`);
  style.setProperty("--lines", String(Math.max(1, Math.floor(height / LINE_PX) - 2)));
  style.setProperty("--lane", String(lane / lanes));
  style.setProperty("--width", String(width / lanes));
  if (color) style.setProperty("--project", color);
  else style.removeProperty("--project");
  classList.toggle("is-high", height >= PROJECT_PX);
  classList.toggle("is-narrow", lanes > 3 && width === 1);
  classList.toggle("is-running", item.isRunning);
  classList.toggle("needs-review", item.entry.needs_review);
  classList.toggle("continues-before", !isFirst);
  classList.toggle("continues-after", !isLast);
  return height;
}
