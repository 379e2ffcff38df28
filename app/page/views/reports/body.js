// The numbers, the charts and the table of a report. Each is drawn when its own data arrives, and not again by other data.

import { h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { attempt } from "../../parts/notice.js";
import { barChart } from "../../parts/report/bars.js";
import { heatMap } from "../../parts/report/heat_map.js";
import { reportTitle } from "../../parts/report/labels.js";
import { reportTable, totals } from "../../parts/report/report_table.js";
import { ringChart } from "../../parts/report/ring.js";
import { seriesOf } from "../../parts/report/series.js";
import { NO_ORDER } from "../../parts/report/table.js";
import { weekStart } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { unitOf } from "./data.js";
import { explainRow } from "./explain.js";

/**
 * @typedef {import("./data.js").Part} Part
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("../../lib/dom.js").Child} Child
 */

/**
 * Create the body of a report.
 *
 * @param {Report} report
 */
export function reportBody(report) {
  const rows = sortedRows();
  const isMissing = computed(
    () => report.error.value !== null && Object.values(report.parts).every((part) => part.value === null),
  );
  const isEmpty = computed(() => report.parts.report.value?.summary.rows.length === 0);
  return [
    h("div", { class: "panel empty", hidden: () => !isEmpty.value }, h("p", null, t("reports.empty"))),
    h(
      "div",
      { class: "report", hidden: () => isEmpty.value || isMissing.value },
      panel(report, ["report"], "report-numbers", ([part]) => numbers(part)),
      h(
        "div",
        { class: "report-charts" },
        panel(report, ["byProject", "byTime"], "report-bars", ([byProject, byTime]) => bars(byProject, byTime)),
        panel(report, ["byProject"], "report-ring", ([byProject]) => ring(byProject)),
        panel(report, ["byHour"], "report-heat", ([byHour]) => heat(byHour)),
      ),
      panel(report, ["report"], "report-rows", ([part]) => rows(part)),
    ),
  ];
}

/**
 * Create a panel that shows parts of one report. Until all of them are there, it shows those of the report before.
 *
 * @param {Report} report
 * @param {readonly (keyof import("./data.js").Parts)[]} names
 * @param {string} name The class of the panel, which gives it the height of its contents before they are there.
 * @param {(parts: readonly any[]) => Child} draw Called with a Part for each name.
 */
function panel({ parts, key, error }, names, name, draw) {
  /** @type {readonly Part[] | null} */
  let last = null;
  const shown = computed(() => {
    const loaded = names.flatMap((each) => parts[each].value ?? []);
    if (loaded.length === names.length && loaded.every((part) => part.key === loaded[0]?.key)) last = loaded;
    return last;
  });
  const isOld = () => shown.value?.[0]?.key !== key.value && !error.value;
  return h(
    "section",
    { class: () => `panel ${name}${shown.value && isOld() ? " is-old" : ""}`, "aria-busy": () => String(isOld()) },
    () => {
      if (shown.value) return draw(shown.value);
      return error.value ? null : h("p", { class: "empty loading" }, t("common.loading"));
    },
  );
}

/** @param {Part} report */
function numbers({ summary }) {
  return [totals(summary), summary.overlapping && h("p", { class: "muted" }, t("reports.overlapping"))];
}

/** Return the function that creates the table. While the groups stay, so does the column by which it is sorted. */
function sortedRows() {
  const order = signal(NO_ORDER);
  let groups = "";
  return (/** @type {Part} */ { state, range, summary }) => {
    if (summary.group_by !== groups) order.value = NO_ORDER;
    groups = summary.group_by;
    const title = reportTitle(groups);
    return [
      h("h2", null, title),
      reportTable(summary, {
        title,
        order,
        explain: (row, outer) => void attempt(() => explainRow(state, range, { row, outer, report: summary })),
      }),
    ];
  };
}

/** @param {Part} byProject */
function seriesFrom({ summary }) {
  return seriesOf("project", summary.rows, (id) => project(id)?.color ?? null);
}

/**
 * @param {Part} byProject
 * @param {Part} byTime
 */
function bars(byProject, { state, range, summary }) {
  const unit = unitOf(range);
  const title = t(`reports.bars_${unit}`);
  const hasTime = byProject.summary.rows.length > 0;
  return [
    hasTime && barChart({ title, group: unit, rows: summary.rows, series: seriesFrom(byProject) }),
    state.rounding !== "" && unit === "hour" && notRounded(),
  ];
}

/** @param {Part} byProject */
function ring(byProject) {
  const { rows: projects, rounded_total_seconds: total } = byProject.summary;
  if (projects.length === 0) return null;
  return ringChart({ title: t("reports.ring"), group: "project", series: seriesFrom(byProject), total });
}

/** @param {Part} byHour */
function heat({ state, summary }) {
  return [
    heatMap({ title: t("reports.heat_map"), rows: summary.rows, weekStart: weekStart.peek() }),
    state.rounding !== "" && notRounded(),
  ];
}

function notRounded() {
  return h("p", { class: "muted chart-note" }, t("reports.not_rounded"));
}
