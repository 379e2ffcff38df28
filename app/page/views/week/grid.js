// The grid: a column for each day, hours from top to bottom, and the entries that are in sight.

import { each, h } from "../../lib/dom.js";
import { computed, effect, onCleanup, signal } from "../../lib/signal.js";
import { today } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { locale, t } from "../../text/index.js";
import { formatDay, formatTime } from "../../time/format.js";
import { timesText } from "./actions.js";
import { block } from "./block.js";
import { HOUR_MS } from "./days.js";
import { totalText } from "./model.js";

/**
 * @typedef {import("./model.js").WeekModel} WeekModel
 * @typedef {import("./days.js").Day} Day
 * @typedef {import("../../lib/signal.js").ReadSignal<Day & {index: number}>} DaySignal
 */

/** The window of drawn entries moves in steps of this many pixels: a frame of a scroll changes nothing or little. */
const WINDOW_STEP_PX = 96;
const FIRST_HOUR_IN_SIGHT = 8;
/** The height of the mark of the current time. */
const MARK_PX = 18;

/**
 * Create the grid.
 *
 * @param {WeekModel} model
 */
export function grid(model) {
  const inSight = signal({ top: 0, bottom: 1200 });
  const days = () => model.shown.value.map((day, index) => ({ ...day, index }));
  const body = each(
    h("div", { class: "week-body" }),
    days,
    (day) => `${day.day} ${day.index} ${day.from}`,
    (day) => column(model, day, inSight),
  );
  const scroller = h(
    "div",
    {
      class: "week-scroll",
      tabindex: "0",
      role: "region",
      "aria-label": t("week.grid"),
      "aria-describedby": "week-keys",
    },
    each(
      h("div", { class: "week-head" }),
      days,
      (day) => `${day.day} ${day.index}`,
      (day) => dayHead(model, day),
    ),
    h("div", { class: "week-rows" }, axis(model), body),
  );
  effect(() => {
    scroller.style.setProperty("--days", String(model.shown.value.length));
    scroller.style.setProperty("--hour", `${model.hourHeight.value}px`);
    const longest = Math.max(...model.shown.value.map((day) => day.to - day.from));
    scroller.style.setProperty("--rows", `${(longest / HOUR_MS) * model.hourHeight.value}px`);
  });
  followWindow(scroller, body, inSight);
  keepTimeInSight(model, scroller);
  return { scroller, body };
}

/**
 * @param {WeekModel} model
 * @param {DaySignal} day
 */
function dayHead(model, day) {
  const name = (/** @type {Intl.DateTimeFormatOptions} */ options) => formatDay(day.value.day, options);
  return h(
    "div",
    { class: () => (day.value.day === today.value ? "week-day-head is-today" : "week-day-head") },
    h("span", { class: "week-weekday" }, () => name({ weekday: "short" })),
    h("span", { class: "week-date" }, () => name(dateOptions(model.count.value))),
    h("span", { class: "week-day-total number" }, () => totalText(model, model.dayTotals.value[day.value.index])),
    () =>
      day.value.isChanged &&
      h("span", { class: "week-change" }, t("week.clock_change", { hours: hoursText(day.value.to - day.value.from) })),
  );
}

/**
 * Seven days have no room for the month. It stands above.
 *
 * @param {number} count
 * @returns {Intl.DateTimeFormatOptions}
 */
function dateOptions(count) {
  return count === 7 ? { day: "numeric" } : { day: "numeric", month: "short" };
}

/** @param {number} milliseconds */
function hoursText(milliseconds) {
  return new Intl.NumberFormat(locale()).format(milliseconds / HOUR_MS);
}

/** The hours of a day without a clock change. @param {WeekModel} model */
function axis(model) {
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  const text = (/** @type {number} */ hour) => formatTime(hour * HOUR_MS, "UTC");
  return h(
    "div",
    { class: "week-axis", "aria-hidden": "true" },
    hours.map((hour) =>
      h(
        "span",
        {
          class: "week-hour",
          hidden: () => isCovered(model, hour),
          ref: (/** @type {HTMLElement} */ e) => placeHour(e, hour),
        },
        text(hour),
      ),
    ),
    () => nowMark(model),
  );
}

/**
 * @param {HTMLElement} element
 * @param {number} hour
 */
function placeHour(element, hour) {
  element.style.setProperty("--at", String(hour));
}

/** @param {WeekModel} model */
function nowMark(model) {
  const hours = hoursNow(model);
  if (hours === null) return null;
  return h(
    "span",
    { class: "week-now-time", ref: (/** @type {HTMLElement} */ e) => placeHour(e, hours) },
    formatTime(model.minute.value, zone.peek()),
  );
}

/**
 * Return the hours from the start of the day to the current minute, or null if no shown day of 24 hours has it.
 *
 * @param {WeekModel} model
 */
function hoursNow(model) {
  const minute = model.minute.value;
  const day = model.shown.value.find(({ from, to }) => from <= minute && minute < to);
  return !day || day.isChanged ? null : (minute - day.from) / HOUR_MS;
}

/**
 * Return whether the mark of the current time covers a part of the text of an hour.
 *
 * @param {WeekModel} model
 * @param {number} hour
 */
function isCovered(model, hour) {
  const hours = hoursNow(model);
  return hours !== null && Math.abs(hours - hour) * model.hourHeight.value < MARK_PX;
}

/**
 * @param {WeekModel} model
 * @param {DaySignal} day
 * @param {import("../../lib/signal.js").Signal<{top: number, bottom: number}>} inSight
 */
function column(model, day, inSight) {
  const visible = computed(() => {
    const { top, bottom } = inSight.value;
    const pixels = model.hourHeight.value / HOUR_MS;
    const [from, to] = [day.value.from + top / pixels, day.value.from + bottom / pixels];
    const active = model.active.value;
    const all = model.placed.value[day.value.index] ?? [];
    return all.filter((each) => (each.from < to && each.to > from) || each.item.id === active);
  });
  const element = h(
    "section",
    {
      class: () => (day.value.day === today.value ? "week-day is-today" : "week-day"),
      "aria-label": () => dayLabel(model, day.value),
    },
    () => (day.value.isChanged ? day.value.marks.map((mark) => markLine(day.value, mark)) : null),
    each(
      h("ol", { class: "week-entries" }),
      () => visible.value,
      (segment) => segment.key,
      (segment) => block(model, segment),
    ),
    () => nowLine(model.minute.value, day.value),
    () => ghost(model, day.value),
  );
  effect(() => {
    element.style.setProperty("--length", String((day.value.to - day.value.from) / HOUR_MS));
    element.classList.toggle("is-changed", day.value.isChanged);
  });
  return element;
}

/**
 * @param {WeekModel} model
 * @param {Day & {index: number}} day
 */
function dayLabel(model, day) {
  return `${formatDay(day.day)}, ${totalText(model, model.dayTotals.value[day.index])}`;
}

/**
 * A day with a clock change has its own hours: the axis is right for it until the change only.
 *
 * @param {Day} day
 * @param {import("./days.js").Mark} mark
 */
function markLine(day, mark) {
  const isAfterChange = mark.at >= (day.marks.find((each) => each.isChange)?.at ?? day.to);
  const text = mark.isChange || mark.isRepeated ? timeWithZone(mark.at) : formatTime(mark.at, zone.value);
  return h(
    "div",
    {
      class: mark.isChange ? "week-mark is-change" : "week-mark",
      ref: (/** @type {HTMLElement} */ e) => placeHour(e, (mark.at - day.from) / HOUR_MS),
    },
    (isAfterChange || isBeforeRepetition(day, mark)) &&
      h("span", { class: "week-mark-time" }, isBeforeRepetition(day, mark) ? timeWithZone(mark.at) : text),
  );
}

/**
 * Return whether the clock shows the time of a mark again later on the same day.
 *
 * @param {Day} day
 * @param {import("./days.js").Mark} mark
 */
function isBeforeRepetition(day, mark) {
  if (mark.isRepeated || mark.isChange) return false;
  const text = formatTime(mark.at, zone.peek());
  return day.marks.some((other) => other.isRepeated && formatTime(other.at, zone.peek()) === text);
}

/** @param {number} instant */
function timeWithZone(instant) {
  const options = /** @type {const} */ ({ hour: "numeric", minute: "2-digit", timeZoneName: "short" });
  return new Intl.DateTimeFormat(locale(), { ...options, timeZone: zone.peek() }).format(instant);
}

/**
 * @param {number} minute
 * @param {Day} day
 */
function nowLine(minute, day) {
  if (minute < day.from || minute >= day.to) return null;
  return h("div", {
    class: "week-now",
    ref: (/** @type {HTMLElement} */ e) => placeHour(e, (minute - day.from) / HOUR_MS),
  });
}

/**
 * What a drag would do, or the entry that the dialog is creating.
 *
 * @param {WeekModel} model
 * @param {Day} day
 */
function ghost(model, day) {
  const range = model.ghost.value;
  if (!range || range.from >= day.to || range.to <= day.from) return null;
  const hours = (/** @type {number} */ instant) => (Math.min(Math.max(instant, day.from), day.to) - day.from) / HOUR_MS;
  const element = h(
    "div",
    { class: "week-ghost", "aria-hidden": "true" },
    h("span", { class: "week-block-title" }, range.title),
    h("span", { class: "week-block-times" }, timesText(range)),
  );
  placeHour(element, hours(range.from));
  element.style.setProperty("--for", String(hours(range.to) - hours(range.from)));
  return element;
}

/**
 * @param {HTMLElement} scroller
 * @param {HTMLElement} body
 * @param {import("../../lib/signal.js").Signal<{top: number, bottom: number}>} inSight
 */
function followWindow(scroller, body, inSight) {
  let height = 0;
  const update = () => {
    const top = scroller.getBoundingClientRect().top - body.getBoundingClientRect().top;
    const first = Math.floor(top / WINDOW_STEP_PX - 1) * WINDOW_STEP_PX;
    const last = Math.ceil((top + height) / WINDOW_STEP_PX + 1) * WINDOW_STEP_PX;
    const { top: oldTop, bottom: oldBottom } = inSight.peek();
    if (first !== oldTop || last !== oldBottom) inSight.value = { top: first, bottom: last };
  };
  const observer = new ResizeObserver(() => {
    height = scroller.clientHeight;
    update();
  });
  observer.observe(scroller);
  scroller.addEventListener("scroll", update, { passive: true });
  onCleanup(() => observer.disconnect());
}

/**
 * Begin at the working hours, and keep the time in the middle when the zoom changes.
 *
 * @param {WeekModel} model
 * @param {HTMLElement} scroller
 */
function keepTimeInSight(model, scroller) {
  let height = 0;
  effect(() => {
    const next = model.hourHeight.value;
    const half = scroller.clientHeight / 2;
    const middle = height === 0 ? null : (scroller.scrollTop + half) / height;
    height = next;
    if (middle !== null) scroller.scrollTop = middle * next - half;
  });
  requestAnimationFrame(() => {
    scroller.scrollTop = firstTop(model, scroller.clientHeight);
  });
}

/**
 * Return where to begin: the working hours, or where the current time is in sight.
 *
 * @param {WeekModel} model
 * @param {number} height
 */
function firstTop(model, height) {
  const pixels = model.hourHeight.peek();
  const minute = model.minute.peek();
  const day = model.shown.peek().find(({ from, to }) => from <= minute && minute < to);
  const start = (FIRST_HOUR_IN_SIGHT - 0.5) * pixels;
  if (!day) return start;
  const now = ((minute - day.from) / HOUR_MS) * pixels;
  return Math.max(Math.min(start, now - pixels), now - height * 0.75);
}
