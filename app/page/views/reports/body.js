// The numbers, the charts and the table of a report, each shown as soon as its data is there.

import { h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { attempt } from "../../parts/notice.js";
import { barChart } from "../../parts/report/bars.js";
import { heatMap } from "../../parts/report/heat_map.js";
import { reportTitle } from "../../parts/report/labels.js";
import { reportTable, totals } from "../../parts/report/report_table.js";
import { ringChart } from "../../parts/report/ring.js";
import { seriesOf } from "../../parts/report/series.js";
import { weekStart } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { unitOf } from "./data.js";
import { explainRow } from "./explain.js";

/**
 * @typedef {import("./data.js").Part} Part
 * @typedef {ReturnType<typeof import("./data.js").followReport>} Report
 * @typedef {import("../../lib/dom.js").Child} Child
 */

/**
 * Create the body of a report.
 *
 * @param {Report} report
 */
export function reportBody(report) {
  const { parts, error } = report;
  const isEmpty = computed(() => parts.report.value?.summary.rows.length === 0);
  const isMissing = computed(() => error.value !== null && Object.values(parts).every((part) => !part.value));
  return h("div", { class: "report" }, () => {
    if (isMissing.value) return null;
    if (isEmpty.value) return h("div", { class: "panel empty" }, h("p", null, t("reports.empty")));
    return [
      section(report, ["report"], "report-numbers", ([part]) => numbers(part)),
      h(
        "div",
        { class: "report-charts" },
        section(report, ["byProject", "byTime"], "report-bars", ([byProject, byTime]) => bars(byProject, byTime)),
        section(report, ["byProject"], "report-ring", ([byProject]) => ring(byProject)),
        section(report, ["byHour"], "report-heat", ([byHour]) => heat(byHour)),
      ),
      section(report, ["report"], "report-rows", ([part]) => table(part)),
    ];
  });
}

/**
 * Create a panel that shows parts of one load. Until all of them are there, it shows those of the previous load, or a
 * placeholder.
 *
 * @param {Report} report
 * @param {readonly import("./data.js").PartName[]} names
 * @param {string} name The class of the panel, for its height.
 * @param {(parts: readonly any[]) => Child} show Called with a Part for each name.
 */
function section({ parts, shown, error }, names, name, show) {
  /** @type {readonly Part[] | null} */
  let last = null;
  const loaded = computed(() => {
    const values = names.flatMap((each) => parts[each].value ?? []);
    const [first] = values;
    const isWhole = values.length === names.length && values.every((each) => each.shown === first?.shown);
    if (isWhole) last = values;
    return last;
  });
  const isBusy = () => loaded.value?.[0]?.shown !== shown.value && !error.value;
  const className = () => `panel ${name}${loaded.value && isBusy() ? " is-old" : ""}`;
  return h("section", { class: className, "aria-busy": () => String(isBusy()) }, () => {
    if (loaded.value && hasContent(loaded.value, parts.report)) return show(loaded.value);
    return error.value ? null : h("p", { class: "empty loading" }, t("common.loading"));
  });
}

/**
 * Return whether there is something to draw. A range without entries has no charts.
 *
 * @param {readonly Part[]} parts
 * @param {Report["parts"]["report"]} report
 */
function hasContent(parts, report) {
  return parts.every(
    ({ shown, summary }) => summary.rows.some((row) => row.entry_count > 0) || shown === report.value?.shown,
  );
}

/** @param {Part} report */
function numbers({ summary }) {
  return [totals(summary), summary.overlapping && h("p", { class: "muted" }, t("reports.overlapping"))];
}

/** @param {Part} report */
function table({ shown: { state, range }, summary }) {
  const title = reportTitle(summary.group_by);
  return [
    h("h2", null, title),
    reportTable(summary, {
      title,
      explain: (row, outer) => void attempt(() => explainRow(state, range, { row, outer, report: summary })),
    }),
  ];
}

/** @param {Part} byProject */
function seriesFrom({ summary }) {
  return seriesOf("project", summary.rows, (id) => project(id)?.color ?? null);
}

/** @param {Part} byProject @param {Part} byTime */
function bars(byProject, { shown: { state, range }, summary }) {
  const unit = unitOf(range);
  const series = seriesFrom(byProject);
  return [
    barChart({ title: t(`reports.bars_${unit}`), group: unit, rows: summary.rows, series }),
    state.rounding !== "" && unit === "hour" && notRounded(),
  ];
}

/** @param {Part} byProject */
function ring(byProject) {
  const total = byProject.summary.rounded_total_seconds;
  return ringChart({ title: t("reports.ring"), group: "project", series: seriesFrom(byProject), total });
}

/** @param {Part} byHour */
function heat({ shown: { state }, summary }) {
  return [
    heatMap({ title: t("reports.heat_map"), rows: summary.rows, weekStart: weekStart.peek() }),
    state.rounding !== "" && notRounded(),
  ];
}

function notRounded() {
  return h("p", { class: "muted chart-note" }, t("reports.not_rounded"));
}
