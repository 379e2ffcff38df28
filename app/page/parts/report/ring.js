// A ring: the shares of the total, with the table that names them.

import { h, svg } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { chartFrame } from "./frame.js";
import { formatShare } from "./labels.js";
import { paint, swatch } from "./series.js";
import { dataTable } from "./table.js";

/**
 * @typedef {import("./series.js").Series} Series
 * @typedef {{title: string, group: string, series: import("./series.js").SeriesSet, total: number}} Ring
 */

const SIZE = 220;
const [OUTER, INNER] = [104, 66];
const FULL = 2 * Math.PI;

/**
 * Create the chart with its table. They follow the signals that `read` reads.
 *
 * @param {() => Ring} read
 */
export function ringChart(read) {
  const ring = computed(read);
  return h(
    "figure",
    { class: "report-figure" },
    h(
      "figcaption",
      null,
      h("h2", null, () => ring.value.title),
    ),
    h(
      "div",
      { class: "ring-and-table" },
      chartFrame((width, addPoint) => draw(ring.value, width, addPoint), { maxWidth: SIZE }),
      dataTable(() => table(ring.value)),
    ),
  );
}

/**
 * @param {Ring} ring
 * @returns {import("./table.js").Content<Series>}
 */
function table({ title, group, series, total }) {
  return {
    caption: title,
    rows: series.all,
    columns: [
      {
        label: t(`reports.group_${group}`),
        id: "group",
        value: (each) => each.label,
        cell: (each) => h("span", { class: "series-name" }, swatch(each), h("bdi", null, each.label)),
      },
      {
        label: t("reports.time"),
        isNumber: true,
        value: (each) => each.seconds,
        cell: (each) => formatHours(each.seconds),
      },
      {
        label: t("reports.share_of_total"),
        isNumber: true,
        value: (each) => each.seconds,
        cell: (each) => formatShare(each.seconds, total),
      },
    ],
  };
}

/**
 * @param {Ring} ring
 * @param {number} size
 * @param {import("./frame.js").AddPoint} addPoint
 */
function draw({ title, series, total }, size, addPoint) {
  const whole = series.all.reduce((sum, each) => sum + each.seconds, 0);
  let from = 0;
  return svg(
    "svg",
    { class: "ring", width: size, height: size, viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": title },
    series.all.map((each) => {
      const share = each.seconds / whole;
      const path = svg("path", { class: "ring-part", "fill-rule": "evenodd", d: sector(from, from + share) });
      from += share;
      const lines = [formatShare(each.seconds, total)];
      return addPoint(paint(path, each), { title: `${each.label}: ${formatHours(each.seconds)}`, lines });
    }),
    text(SIZE / 2, "ring-total", formatHours(total)),
    text(SIZE / 2 + 20, "axis-text", t("common.total")),
  );
}

/**
 * @param {number} y
 * @param {string} name
 * @param {string} content
 */
function text(y, name, content) {
  return svg("text", { class: name, x: SIZE / 2, y, "text-anchor": "middle", "aria-hidden": "true" }, content);
}

/**
 * Return the path of a part of the ring. Shares run from 0 to 1, clockwise from the top.
 *
 * @param {number} from
 * @param {number} to
 */
function sector(from, to) {
  if (to - from > 0.9999) return `${circle(OUTER)}${circle(INNER)}`;
  const isLarge = to - from > 0.5 ? 1 : 0;
  const [a, b, c, d] = [point(from, OUTER), point(to, OUTER), point(to, INNER), point(from, INNER)];
  return `M${a}A${OUTER} ${OUTER} 0 ${isLarge} 1 ${b}L${c}A${INNER} ${INNER} 0 ${isLarge} 0 ${d}Z`;
}

/** @param {number} radius */
function circle(radius) {
  const [top, bottom] = [point(0, radius), point(0.5, radius)];
  return `M${top}A${radius} ${radius} 0 1 1 ${bottom}A${radius} ${radius} 0 1 1 ${top}Z`;
}

/**
 * @param {number} share
 * @param {number} radius
 */
function point(share, radius) {
  const [x, y] = [SIZE / 2 + radius * Math.sin(share * FULL), SIZE / 2 - radius * Math.cos(share * FULL)];
  return `${x.toFixed(2)} ${y.toFixed(2)}`;
}
