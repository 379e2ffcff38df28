// The numbers, the charts and the table of a report. Each is drawn when its own data arrives, and not again by other data.

import { h } from "../../lib/dom.js";
import { computed, untracked } from "../../lib/signal.js";
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
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("../../parts/report/labels.js").Row} Row
 * @typedef {import("../../lib/dom.js").Child} Child
 */

/**
 * Create the body of a report.
 *
 * @param {Report} report
 */
export function reportBody(report) {
  const isMissing = computed(
    () => report.error.value !== null && Object.values(report.parts).every((part) => part.value === null),
  );
  const isEmpty = computed(() => report.parts.report.value?.summary.rows.length === 0);
  return [
    h("div", { class: "panel empty", hidden: () => !isEmpty.value }, h("p", null, t("reports.empty"))),
    h(
      "div",
      { class: "report", hidden: () => isEmpty.value || isMissing.value },
      panel(report, ["report"], "report-numbers", (parts) => () => numbers(parts()[0])),
      h(
        "div",
        { class: "report-charts" },
        panel(report, ["byProject", "byTime"], "report-bars", bars),
        panel(report, ["byProject"], "report-ring", ring),
        panel(report, ["byHour"], "report-heat", heat),
      ),
      panel(report, ["report"], "report-rows", rows),
    ),
  ];
}

/**
 * Create a panel that shows parts of one report. Until all of them are there, it shows those of the report before.
 *
 * @param {Report} report
 * @param {readonly (keyof import("./data.js").Parts)[]} names
 * @param {string} name The class of the panel, which gives it the height of its contents before they are there.
 * @param {(parts: () => readonly any[]) => Child} draw Called once, with the function that returns a Part for each name.
 */
function panel({ parts, key, error }, names, name, draw) {
  /** @type {readonly Part[] | null} */
  let last = null;
  const shown = computed(() => {
    const loaded = names.flatMap((each) => parts[each].value ?? []);
    if (loaded.length === names.length && loaded.every((part) => part.key === loaded[0]?.key)) last = loaded;
    return last;
  });
  const isShown = computed(() => shown.value !== null);
  const isOld = () => shown.value?.[0]?.key !== key.value && !error.value;
  return h(
    "section",
    { class: () => `panel ${name}${shown.value && isOld() ? " is-old" : ""}`, "aria-busy": () => String(isOld()) },
    () => {
      // Drawn once: what is drawn again by other numbers would lose the focus.
      if (isShown.value) return untracked(() => draw(() => shown.value ?? []));
      return error.value ? null : h("p", { class: "empty loading" }, t("common.loading"));
    },
  );
}

/** @param {Part} report */
function numbers({ summary }) {
  return [totals(summary), summary.overlapping && h("p", { class: "muted" }, t("reports.overlapping"))];
}

/** @param {() => readonly Part[]} parts */
function rows(parts) {
  const part = () => /** @type {Part} */ (parts()[0]);
  /** @param {Row} row @param {Row | null} outer */
  function explain(row, outer) {
    const { state, range, summary } = part();
    return attempt(() => explainRow(state, range, { row, outer, report: summary }));
  }
  return [h("h2", null, () => reportTitle(part().summary.group_by)), reportTable(() => part().summary, explain)];
}

/** @param {Part} byProject */
function seriesFrom({ summary }) {
  return seriesOf("project", summary.rows, (id) => project(id)?.color ?? null);
}

/** @param {() => readonly any[]} parts By project, and by time. */
function bars(parts) {
  const hasTime = computed(() => parts()[0].summary.rows.length > 0);
  const isNotRounded = () => parts()[1].state.rounding !== "" && unitOf(parts()[1].range) === "hour";
  function read() {
    const [byProject, { range, summary }] = parts();
    const unit = unitOf(range);
    return { title: t(`reports.bars_${unit}`), group: unit, rows: summary.rows, series: seriesFrom(byProject) };
  }
  return [() => hasTime.value && untracked(() => barChart(read)), () => isNotRounded() && notRounded()];
}

/** @param {() => readonly any[]} parts By project. */
function ring(parts) {
  const hasTime = computed(() => parts()[0].summary.rows.length > 0);
  function read() {
    const [byProject] = parts();
    const total = byProject.summary.rounded_total_seconds;
    return { title: t("reports.ring"), group: "project", series: seriesFrom(byProject), total };
  }
  return () => hasTime.value && untracked(() => ringChart(read));
}

/** @param {() => readonly any[]} parts By hour. */
function heat(parts) {
  return [
    heatMap(t("reports.heat_map"), () => ({ rows: parts()[0].summary.rows, weekStart: weekStart.value })),
    () => parts()[0].state.rounding !== "" && notRounded(),
  ];
}

function notRounded() {
  return h("p", { class: "muted chart-note" }, t("reports.not_rounded"));
}
