// The view "Reports": where the time went, in numbers and charts, to be explained, exported and shared.

import { define, h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { attempt, describeError } from "../../parts/notice.js";
import { barChart } from "../../parts/report/bars.js";
import { heatMap } from "../../parts/report/heat_map.js";
import { reportTitle } from "../../parts/report/labels.js";
import { reportTable, totals } from "../../parts/report/report_table.js";
import { ringChart } from "../../parts/report/ring.js";
import { seriesOf } from "../../parts/report/series.js";
import { weekStart } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { resource } from "../../store/resource.js";
import { t } from "../../text/index.js";
import { formatDay } from "../../time/format.js";
import { loadReport, unitOf } from "./data.js";
import { explainRow } from "./explain.js";
import { exportButtons } from "./exports.js";
import { filterBar } from "./filter_bar.js";
import { shareReport } from "./share_dialog.js";
import { followState } from "./state.js";

/** @typedef {import("./data.js").ReportData} ReportData */

const KINDS = ["entry", "timer", "task", "project", "tag", "import", "user"];

define("tt-reports", () => {
  const { state, range, set } = followState();
  const loaded = resource((signal) => loadReport(state.value, range.value, signal), KINDS);
  const title = computed(() => rangeText(range.value));
  return [
    h(
      "header",
      { class: "view-header" },
      h(
        "div",
        null,
        h("h1", { tabindex: "-1" }, t("nav.reports")),
        h("p", { class: "muted" }, () => title.value),
      ),
      h(
        "div",
        { class: "report-actions" },
        exportButtons(() => ({ state: state.peek(), range: range.peek() })),
        h(
          "button",
          {
            type: "button",
            class: "primary",
            onclick: () => void attempt(() => shareReport(state.peek(), range.peek(), title.peek())),
          },
          t("reports.share"),
        ),
      ),
    ),
    filterBar({ state, range, set }),
    problem(loaded),
    h("div", { class: "report", "aria-busy": () => String(loaded.isLoading.value) }, () => {
      if (loaded.data.value) return body(loaded.data.value);
      return loaded.error.value ? null : h("p", { class: "empty loading" }, t("common.loading"));
    }),
  ];
});

/** @param {import("../../store/resource.js").Resource<ReportData>} loaded */
function problem(loaded) {
  return h("div", { role: "status" }, () => {
    const error = loaded.error.value;
    if (!error) return null;
    return h(
      "p",
      { class: "report-problem" },
      h("span", { class: "form-error" }, describeError(error)),
      h("button", { type: "button", onclick: loaded.reload }, t("common.retry")),
    );
  });
}

/** @param {ReportData} data */
function body(data) {
  const { report, state } = data;
  if (report.rows.length === 0) return h("div", { class: "panel empty" }, h("p", null, t("reports.empty")));
  const title = reportTitle(report.group_by);
  return [
    h(
      "div",
      { class: "panel" },
      totals(report),
      report.overlapping && h("p", { class: "muted" }, t("reports.overlapping")),
    ),
    charts(data),
    h(
      "section",
      { class: "panel" },
      h("h2", null, title),
      reportTable(report, {
        title,
        explain: (row, outer) => void attempt(() => explainRow(state, data.range, { row, outer, report })),
      }),
    ),
  ];
}

/** @param {ReportData} data */
function charts({ report, byTime, byProject, byHour, range }) {
  const colorOf = (/** @type {string | null} */ id) => project(id)?.color ?? null;
  const series = seriesOf("project", byProject.rows, colorOf);
  const unit = unitOf(range);
  const isRounded = report.rounding !== null;
  return h(
    "div",
    { class: "report-charts" },
    h(
      "section",
      { class: "panel" },
      barChart({ title: t(`reports.bars_${unit}`), group: unit, rows: byTime.rows, series }),
      isRounded && unit === "hour" && notRounded(),
    ),
    h(
      "section",
      { class: "panel" },
      ringChart({
        title: t("reports.ring"),
        group: "project",
        series,
        total: byProject.rounded_total_seconds,
      }),
    ),
    h(
      "section",
      { class: "panel" },
      heatMap({ title: t("reports.heat_map"), rows: byHour.rows, weekStart: weekStart.peek() }),
      isRounded && notRounded(),
    ),
  );
}

function notRounded() {
  return h("p", { class: "muted chart-note" }, t("reports.not_rounded"));
}

/** @param {import("./state.js").Range} range */
function rangeText({ first, last }) {
  const [from, to] = [first, last].map((day) => formatDay(day, { dateStyle: "medium" }));
  return first === last ? formatDay(first, { dateStyle: "full" }) : `${from} – ${to}`;
}
