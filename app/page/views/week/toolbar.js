// The line above the grid: which week, its total, and how it is shown.

import { h } from "../../lib/dom.js";
import { icon } from "../../parts/icons.js";
import { today } from "../../store/clock.js";
import { language, locale, t } from "../../text/index.js";
import { createAt } from "./actions.js";
import { dayAfter, HOUR_HEIGHTS, showDay, totalText } from "./model.js";

/** @typedef {import("./model.js").WeekModel} WeekModel */

/**
 * Create the header of the view.
 *
 * @param {WeekModel} model
 */
export function toolbar(model) {
  return h(
    "header",
    { class: "view-header week-header" },
    h(
      "h1",
      null,
      t("nav.week"),
      h("span", { class: "week-range" }, () => rangeText(model)),
    ),
    navigation(model),
    h(
      "span",
      { class: "week-total" },
      `${t("week.total")} `,
      h("b", { class: "number" }, () => totalText(model, model.weekTotal.value)),
    ),
    h("div", { class: "week-tools" }, daysSelect(model), zoomButtons(model)),
    h("button", { type: "button", class: "primary", onclick: () => void createAt(model) }, t("entry.new")),
  );
}

/** @param {WeekModel} model */
function navigation(model) {
  const name = (/** @type {string} */ kind) => () => t(`week.${kind}_${model.count.value === 7 ? "week" : "days"}`);
  return h(
    "div",
    { class: "week-navigation" },
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": name("previous"),
        onclick: () => showDay(dayAfter(model, -1)),
      },
      icon("previous"),
    ),
    h("button", { type: "button", onclick: () => showDay(today.peek()) }, name("this")),
    h(
      "button",
      { type: "button", class: "icon-button", "aria-label": name("next"), onclick: () => showDay(dayAfter(model, 1)) },
      icon("next"),
    ),
    h("input", {
      type: "date",
      required: true,
      "aria-label": t("week.date"),
      value: () => model.anchor.value,
      onchange: (/** @type {Event} */ event) => {
        const { value } = /** @type {HTMLInputElement} */ (event.target);
        if (value) showDay(value);
      },
    }),
  );
}

/** @param {WeekModel} model */
function daysSelect(model) {
  return h(
    "select",
    {
      "aria-label": t("week.days"),
      onchange: (/** @type {Event} */ event) => {
        model.chosenCount.value = Number(/** @type {HTMLSelectElement} */ (event.target).value);
      },
    },
    [1, 3, 7].map((count) =>
      h(
        "option",
        { value: String(count), selected: () => model.count.value === count },
        t("week.day_count", { count }),
      ),
    ),
  );
}

/** @param {WeekModel} model */
function zoomButtons(model) {
  return [
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": t("week.zoom_out"),
        disabled: () => model.level.value === 0,
        onclick: () => model.zoomBy(-1),
      },
      "−",
    ),
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": t("week.zoom_in"),
        disabled: () => model.level.value === HOUR_HEIGHTS.length - 1,
        onclick: () => model.zoomBy(1),
      },
      "+",
    ),
  ];
}

/**
 * Return the shown days, for example "16 – 22 November 2026".
 *
 * @param {WeekModel} model
 */
function rangeText(model) {
  void language.value;
  const days = model.shown.value;
  const [first, last] = [days[0]?.day, days.at(-1)?.day].map((day) => Date.parse(`${day}T00:00:00Z`));
  const format = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return format.formatRange(first ?? 0, last ?? 0);
}
