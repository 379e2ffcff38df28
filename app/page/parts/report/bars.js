// Stacked bars: one for each period, with a part for each series.

import { h, svg } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatNumber } from "../../time/format.js";
import { chartFrame } from "./frame.js";
import { formatCell, rowLabel, shortLabel } from "./labels.js";
import { paint, swatch } from "./series.js";
import { dataTable } from "./table.js";

/**
 * @typedef {import("./labels.js").Row} Row
 * @typedef {import("./series.js").Series} Series
 *
 * @typedef {object} Bars
 * @property {string} title
 * @property {string} group The group by time of the rows, for example "day".
 * @property {Row[]} rows In the order of time.
 * @property {import("./series.js").SeriesSet} series Of the rows in each row. Empty without a second group.
 *
 * @typedef {{row: Row, parts: {series: Series, seconds: number}[]}} Column
 */

const HEIGHT = 260;
const [TOP, BOTTOM, START, END] = [12, 40, 52, 8];
const MAX_BAR = 44;
const LABEL_WIDTH = 52;
const TICK_HOURS = [0.25, 0.5, 1, 2, 4, 8, 10, 20, 40, 50, 100, 200, 500, 1000, 5000];
const MAX_TICKS = 5;

/**
 * Create the chart, its legend and its table. They follow the signals that `read` reads.
 *
 * @param {() => Bars} read
 */
export function barChart(read) {
  const bars = computed(read);
  const columns = computed(() => bars.value.rows.map((row) => ({ row, parts: partsOf(row, bars.value.series) })));
  return h(
    "figure",
    { class: "report-figure" },
    h(
      "figcaption",
      null,
      h("h2", null, () => bars.value.title),
    ),
    () => legend(bars.value.series.all),
    chartFrame((width, addPoint) => draw(bars.peek(), columns.value, width, addPoint)),
    h(
      "details",
      { class: "chart-table" },
      h("summary", null, t("reports.as_table")),
      dataTable(() => table(bars.peek(), columns.value)),
    ),
  );
}

/**
 * @param {Row} row
 * @param {import("./series.js").SeriesSet} series
 * @returns {Column["parts"]}
 */
function partsOf(row, series) {
  if (!row.rows) return [];
  /** @type {Map<Series, number>} */
  const seconds = new Map();
  for (const inner of row.rows) {
    const own = series.of(inner.key);
    if (own) seconds.set(own, (seconds.get(own) ?? 0) + inner.rounded_seconds);
  }
  return series.all
    .filter((each) => seconds.has(each))
    .map((each) => ({ series: each, seconds: seconds.get(each) ?? 0 }));
}

/** @param {Series[]} series */
function legend(series) {
  if (series.length < 2) return null;
  return h(
    "ul",
    { class: "legend" },
    series.map((each) => h("li", null, swatch(each), h("bdi", null, each.label))),
  );
}

/**
 * @param {Bars} bars
 * @param {Column[]} columns
 * @param {number} width
 * @param {import("./frame.js").AddPoint} addPoint
 */
function draw({ title, group }, columns, width, addPoint) {
  const heights = columns.map(({ row, parts }) => Math.max(row.rounded_seconds, sum(parts)));
  const ticks = ticksUpTo(Math.max(...heights, 900));
  const top = ticks.at(-1) ?? 1;
  const y = (/** @type {number} */ seconds) => HEIGHT - BOTTOM - (seconds / top) * (HEIGHT - TOP - BOTTOM);
  const slot = (width - START - END) / columns.length;
  const every = Math.ceil(LABEL_WIDTH / slot);
  return svg(
    "svg",
    { class: "bars", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": title },
    yAxis(ticks, y, width),
    columns.map(({ row, parts }, index) => {
      const middle = START + slot * (index + 0.5);
      return [
        addPoint(bar(row, parts, { middle, slot, y }), describe(group, row, parts)),
        index % every === 0 && axisText(middle, HEIGHT - BOTTOM + 18, "middle", shortLabel(group, row)),
      ];
    }),
    axisText(START + (width - START - END) / 2, HEIGHT - 4, "middle", t(`reports.group_${group}`), "axis-title"),
  );
}

/**
 * @param {number[]} ticks
 * @param {(seconds: number) => number} y
 * @param {number} width
 */
function yAxis(ticks, y, width) {
  return ticks.map((tick) => [
    svg("line", { class: tick === 0 ? "axis" : "grid-line", x1: START, x2: width - END, y1: y(tick), y2: y(tick) }),
    axisText(START - 8, y(tick) + 4, "end", t("reports.hours", { hours: formatNumber(tick / 3600) })),
  ]);
}

/**
 * @param {number} x
 * @param {number} y
 * @param {"middle" | "end"} anchor
 * @param {string} text
 * @param {string} [name]
 */
function axisText(x, y, anchor, text, name = "axis-text") {
  return svg("text", { class: name, x, y, "text-anchor": anchor, "aria-hidden": "true" }, text);
}

/**
 * @param {Row} row
 * @param {Column["parts"]} parts
 * @param {{middle: number, slot: number, y: (seconds: number) => number}} place
 */
function bar(row, parts, { middle, slot, y }) {
  const width = Math.max(1, Math.min(MAX_BAR, slot * 0.72));
  let below = 0;
  const shown = parts.length > 0 ? parts : [{ series: null, seconds: row.rounded_seconds }];
  return svg(
    "g",
    null,
    svg("rect", { class: "bar-space", x: middle - slot / 2, y: TOP, width: slot, height: y(0) - TOP }),
    shown.map(({ series, seconds }) => {
      const [from, to] = [y(below), y(below + seconds)];
      below += seconds;
      const rect = svg("rect", {
        class: "bar-part",
        x: middle - width / 2,
        y: to,
        width,
        height: Math.max(0, from - to),
      });
      return series ? paint(rect, series) : rect;
    }),
  );
}

/**
 * @param {string} group
 * @param {Row} row
 * @param {Column["parts"]} parts
 */
function describe(group, row, parts) {
  const lines = parts.map(({ series, seconds }) => `${series.label}: ${formatHours(seconds)}`);
  return { title: `${rowLabel(group, row)}: ${formatHours(row.rounded_seconds)}`, lines };
}

/** @param {number} seconds */
function ticksUpTo(seconds) {
  const hours = seconds / 3600;
  const step = TICK_HOURS.find((each) => hours / each <= MAX_TICKS) ?? Math.ceil(hours / MAX_TICKS);
  return Array.from({ length: Math.ceil(hours / step) + 1 }, (_, index) => index * step * 3600);
}

/**
 * @param {Bars} bars
 * @param {Column[]} columns
 * @returns {import("./table.js").Content<Column>}
 */
function table({ title, group, series }, columns) {
  const names = series.all.length > 1 ? series.all : [];
  const secondsOf = (/** @type {Column} */ { parts }, /** @type {Series} */ each) =>
    parts.find((part) => part.series === each)?.seconds ?? 0;
  return {
    caption: title,
    rows: columns,
    columns: [
      {
        label: t(`reports.group_${group}`),
        id: "group",
        value: ({ row }) => row.key ?? "",
        cell: ({ row }) => rowLabel(group, row),
      },
      ...names.map((each) => ({
        label: each.label,
        id: each.id,
        isNumber: true,
        value: (/** @type {Column} */ column) => secondsOf(column, each),
        cell: (/** @type {Column} */ column) => formatCell(secondsOf(column, each)),
      })),
      {
        label: t("common.total"),
        isNumber: true,
        value: ({ row }) => row.rounded_seconds,
        cell: ({ row }) => formatCell(row.rounded_seconds),
      },
    ],
  };
}

/** @param {Column["parts"]} parts */
function sum(parts) {
  return parts.reduce((total, { seconds }) => total + seconds, 0);
}
