// The chosen day, its week, and their totals.

import { h } from "../../lib/dom.js";
import { effect } from "../../lib/signal.js";
import { icon } from "../../parts/icons.js";
import { goTo } from "../../route.js";
import { today } from "../../store/clock.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDay } from "../../time/format.js";
import { addDays } from "../../time/zones.js";

/** @typedef {import("./day.js").Day} Day */

/**
 * Create the header of the view.
 *
 * @param {Day} day
 */
export function dayHeader(day) {
  return [
    h(
      "header",
      { class: "view-header today-header" },
      h(
        "div",
        { class: "today-heading" },
        h("h1", { tabindex: "-1" }, () => nameOf(day.day.value)),
        h("p", { class: "muted" }, () => formatDay(day.day.value, { dateStyle: "full" })),
      ),
      dayChooser(day),
      totals(day),
    ),
    weekStrip(day),
  ];
}

/** @param {string} day */
function nameOf(day) {
  if (day === today.value) return t("today.today");
  if (day === addDays(today.value, -1)) return t("today.yesterday");
  if (day === addDays(today.value, 1)) return t("today.tomorrow");
  return formatDay(day, { weekday: "long" });
}

/** @param {Day} day */
function dayChooser({ day }) {
  /** @param {string} chosen */
  const show = (chosen) => goTo(chosen === today.peek() ? "today" : `today/${chosen}`);
  /** @param {string} name @param {number} step */
  const button = (name, step) =>
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": t(`today.${name}_day`),
        title: t(`today.${name}_day`),
        onclick: () => show(addDays(day.peek(), step)),
      },
      icon(name),
    );
  const input = h("input", {
    type: "date",
    "aria-label": t("today.date"),
    required: true,
    value: () => day.value,
    onchange: () => input.value && show(input.value),
  });
  return h(
    "div",
    { class: "day-chooser", role: "group", "aria-label": t("today.choose_day") },
    button("previous", -1),
    input,
    button("next", 1),
    () =>
      day.value !== today.value && h("button", { type: "button", onclick: () => show(today.peek()) }, t("today.today")),
  );
}

/** @param {Day} day */
function totals(day) {
  /** @param {string} label @param {() => number} seconds */
  const total = (label, seconds) =>
    h(
      "div",
      null,
      h("dt", null, label),
      h("dd", null, () => formatHours(seconds())),
    );
  return h(
    "dl",
    { class: "today-totals" },
    total(t("today.day_total"), day.daySeconds),
    total(t("today.week_total"), day.weekSeconds),
  );
}

/** @param {Day} day */
function weekStrip(day) {
  const longest = () => Math.max(1, ...day.week.value.map(day.secondsOf));
  /** @param {string} of */
  const link = (of) =>
    h(
      "li",
      null,
      h(
        "a",
        {
          href: of === today.value ? "#/today" : `#/today/${of}`,
          class: of === today.value ? "is-today" : "",
          "aria-current": () => (of === day.day.value ? "date" : null),
        },
        h(
          "span",
          { class: "week-strip-day" },
          h("span", null, formatDay(of, { weekday: "short" })),
          " ",
          h("span", null, formatDay(of, { day: "numeric" })),
        ),
        h("span", { class: "week-strip-total" }, () => (day.secondsOf(of) > 0 ? formatHours(day.secondsOf(of)) : "–")),
        meter(() => day.secondsOf(of) / longest()),
      ),
    );
  return h(
    "nav",
    { "aria-label": t("today.week_days") },
    h("ol", { class: "week-strip" }, () => day.week.value.map(link)),
  );
}

/** @param {() => number} share */
function meter(share) {
  const element = h("span", { class: "week-strip-meter", "aria-hidden": "true" });
  effect(() => element.style.setProperty("--share", String(share())));
  return element;
}
