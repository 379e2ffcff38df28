// A heat map: how much time was tracked in each hour of each weekday.

import { h, svg } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { chartFrame } from "./frame.js";
import { formatCell, rowLabel, shortLabel } from "./labels.js";
import { dataTable } from "./table.js";

/**
 * @typedef {import("./labels.js").Row} Row
 * @typedef {{row: Row, seconds: number[]}} Weekday With the seconds of each hour.
 */

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const [START, TOP, HEIGHT, GAP] = [44, 20, 22, 2];
const LEVELS = [0.2, 0.4, 0.6, 0.8, 1];

/**
 * Create the chart and its table. They follow the signals that `read` reads.
 *
 * @param {string} title
 * @param {() => {rows: Row[], weekStart: number}} read The rows are grouped by weekday and hour.
 */
export function heatMap(title, read) {
  const weekdays = computed(() => {
    const { rows, weekStart } = read();
    return Array.from({ length: 7 }, (_, index) => toWeekday(rows, (weekStart + index) % 7));
  });
  return h(
    "figure",
    { class: "report-figure" },
    h("figcaption", null, h("h2", null, title)),
    chartFrame((width, addPoint) => draw(title, weekdays.value, width, addPoint), { step: HOURS.length }),
    () => scale(most(weekdays.value)),
    h(
      "details",
      { class: "chart-table" },
      h("summary", null, t("reports.as_table")),
      dataTable(() => table(title, weekdays.value)),
    ),
  );
}

/**
 * @param {Row[]} rows
 * @param {number} number
 * @returns {Weekday}
 */
function toWeekday(rows, number) {
  const key = String(number);
  const none = { key, label: key, seconds: 0, rounded_seconds: 0, entry_count: 0, amounts: [], rows: [] };
  const row = rows.find((each) => each.key === key) ?? none;
  const byHour = new Map((row.rows ?? []).map((each) => [Number(each.key), each.seconds]));
  return { row, seconds: HOURS.map((hour) => byHour.get(hour) ?? 0) };
}

/** @param {Weekday[]} weekdays */
function most(weekdays) {
  return Math.max(...weekdays.flatMap(({ seconds }) => seconds), 1);
}

/**
 * @param {string} title
 * @param {Weekday[]} weekdays
 * @param {number} width
 * @param {import("./frame.js").AddPoint} addPoint
 */
function draw(title, weekdays, width, addPoint) {
  const slot = (width - START) / HOURS.length;
  const largest = most(weekdays);
  const height = TOP + 7 * HEIGHT;
  const hourStep = slot < 14 ? 6 : slot < 24 ? 3 : 2;
  return svg(
    "svg",
    { class: "heat", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title },
    HOURS.filter((hour) => hour % hourStep === 0).map((hour) => label(START + slot * hour, 12, String(hour))),
    weekdays.map(({ row, seconds }, index) => [
      label(0, TOP + HEIGHT * index + 15, shortLabel("weekday", row)),
      seconds.map((each, hour) => {
        const cell = svg("rect", {
          class: each > 0 ? "heat-cell" : "heat-cell is-empty",
          x: START + slot * hour,
          y: TOP + HEIGHT * index,
          width: Math.max(1, slot - GAP),
          height: HEIGHT - GAP,
          rx: 2,
          "fill-opacity": each > 0 ? levelOf(each / largest) : null,
        });
        return addPoint(cell, {
          title: `${rowLabel("weekday", row)}, ${hour}–${hour + 1}`,
          lines: [formatHours(each)],
        });
      }),
    ]),
  );
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 */
function label(x, y, text) {
  return svg("text", { class: "axis-text", x, y, "aria-hidden": "true" }, text);
}

/** @param {number} share */
function levelOf(share) {
  return LEVELS.find((level) => share <= level) ?? 1;
}

/** @param {number} largest */
function scale(largest) {
  const cell = (/** @type {number | null} */ level) =>
    svg("rect", {
      class: level ? "heat-cell" : "heat-cell is-empty",
      x: ((level ?? 0) / 0.2) * 18,
      width: 16,
      height: 12,
      rx: 2,
      "fill-opacity": level,
    });
  return h(
    "div",
    { class: "heat-scale" },
    h("span", null, formatHours(0)),
    svg("svg", { width: 106, height: 12, "aria-hidden": "true" }, [null, ...LEVELS].map(cell)),
    h("span", null, formatHours(largest)),
  );
}

/**
 * @param {string} title
 * @param {Weekday[]} weekdays
 * @returns {import("./table.js").Content<Weekday>}
 */
function table(title, weekdays) {
  return {
    caption: title,
    rows: weekdays,
    columns: [
      { label: t("reports.group_weekday"), cell: ({ row }) => rowLabel("weekday", row) },
      ...HOURS.map((hour) => ({
        label: String(hour),
        isNumber: true,
        cell: (/** @type {Weekday} */ { seconds }) => formatCell(seconds[hour] ?? 0),
      })),
      {
        label: t("common.total"),
        isNumber: true,
        value: ({ row }) => row.seconds,
        cell: ({ row }) => formatCell(row.seconds),
      },
    ],
  };
}
