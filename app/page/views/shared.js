// A report that somebody has shared. It needs no account.

import { ApiError, isReachable } from "../api.js";
import { define, h } from "../lib/dom.js";
import { computed, effect, onCleanup } from "../lib/signal.js";
import { icon } from "../parts/icons.js";
import { describeError, retryButton } from "../parts/notice.js";
import { barChart } from "../parts/report/bars.js";
import { heatMap } from "../parts/report/heat_map.js";
import { formatCell, reportTitle, rowLabel, TIME_GROUPS } from "../parts/report/labels.js";
import { reportTable, totals } from "../parts/report/report_table.js";
import { ringChart } from "../parts/report/ring.js";
import { seriesOf } from "../parts/report/series.js";
import { dataTable } from "../parts/report/table.js";
import { busyText } from "../parts/status/waiting.js";
import { route } from "../route.js";
import { RETRY_MS } from "../store/presence/reachable.js";
import { loadSharedReport } from "../store/reports.js";
import { resource } from "../store/resource.js";
import { t } from "../text/index.js";
import { formatHours } from "../time/durations.js";
import { formatDay, formatTime } from "../time/format.js";
import { dayOf } from "../time/zones.js";

/**
 * @typedef {import("../parts/report/labels.js").Row} Row
 * @typedef {import("../types").SharedTimesheet} Timesheet
 * @typedef {Exclude<import("../types").SharedReport["report"], Timesheet>} Summary
 * @typedef {{from: string, to: string, seconds: number, note?: string | null}} Slice
 * @typedef {{name: string, slice: Slice}} NamedSlice
 */

const CLIENT_ERRORS = new Set([404, 409]);

define("tt-shared", () => {
  const secret = computed(() => route.value.rest);
  const loaded = resource((signal) => loadSharedReport(secret.value, signal));
  // Nothing else asks whether the service is back.
  const interval = setInterval(() => !isReachable.peek() && !loaded.isLoading.peek() && loaded.reload(), RETRY_MS);
  onCleanup(() => clearInterval(interval));
  effect(() => {
    document.title = loaded.data.value?.name ?? t("app.name");
  });
  return h("div", { class: "shared" }, [
    h("header", { class: "shared-brand" }, icon("brand"), h("span", null, t("app.name"))),
    h("main", null, () => {
      if (loaded.error.value) return failure(loaded.error.value, loaded.reload);
      if (!loaded.data.value) return [h("h1", { class: "visually-hidden" }, t("shared.title")), loading()];
      return content(loaded.data.value);
    }),
  ]);
});

function loading() {
  return h("p", { class: "empty loading", role: "status" }, () => busyText() || t("common.loading"));
}

/**
 * @param {Error} error
 * @param {() => void} reload
 */
function failure(error, reload) {
  const isGone = error instanceof ApiError && CLIENT_ERRORS.has(error.status);
  const text = isGone ? t(error.status === 404 ? "shared.gone" : "shared.unavailable") : describeError(error);
  return h("div", { class: "panel empty", role: "alert" }, [
    h("h1", null, t("shared.title")),
    h("p", null, text),
    !isGone && retryButton(reload),
  ]);
}

/** @param {import("../types").SharedReport} shared */
function content({ name, owner_name: owner, report }) {
  return [
    h(
      "header",
      { class: "view-header" },
      h("div", null, [
        h("h1", null, h("bdi", null, name)),
        h("p", { class: "muted" }, [
          owner && h("bdi", null, t("shared.by", { name: owner })),
          owner && " · ",
          rangeText(report),
        ]),
      ]),
    ),
    report.type === "timesheet" ? timesheet(report) : summary(report),
  ];
}

/** @param {Summary | Timesheet} report */
function rangeText(report) {
  const days =
    report.type === "timesheet"
      ? [report.days[0] ?? "", report.days.at(-1) ?? ""]
      : [dayOf(Date.parse(report.from), report.timezone), dayOf(Date.parse(report.to) - 1, report.timezone)];
  const [first, last] = days.map((day) => formatDay(day, { dateStyle: "medium" }));
  return `${first === last ? first : `${first} – ${last}`} (${report.timezone})`;
}

/** @param {Summary} report */
function summary(report) {
  if (report.rows.length === 0) return h("div", { class: "panel empty" }, h("p", null, t("shared.empty")));
  return [
    h("div", { class: "panel" }, totals(report)),
    h("section", { class: "panel" }, chart(report)),
    h(
      "section",
      { class: "panel" },
      h("h2", null, reportTitle(report.group_by)),
      reportTable(() => report),
    ),
    slices(report),
  ];
}

/**
 * Show the rows of the report in the chart that fits their groups.
 *
 * @param {Summary} report
 */
function chart(report) {
  const title = t("shared.chart");
  const [first = "", second = ""] = report.group_by.split(",");
  if (report.group_by === "weekday,hour")
    return heatMap(title, () => ({ rows: report.rows, weekStart: report.week_start }));
  if (!TIME_GROUPS.has(first)) {
    return ringChart(() => ({
      title,
      group: first,
      series: seriesOf(first, report.rows),
      total: report.rounded_total_seconds,
    }));
  }
  return barChart(() => ({
    title,
    group: first,
    rows: report.rows,
    series: seriesOf(second, innerRows(report.rows)),
  }));
}

/**
 * Return one row for each key of the second group. Their sums only order the colours.
 *
 * @param {Row[]} rows
 */
function innerRows(rows) {
  /** @type {Map<string | null, Row>} */
  const byKey = new Map();
  for (const row of rows.flatMap((each) => each.rows ?? [])) {
    const seconds = (byKey.get(row.key)?.rounded_seconds ?? 0) + row.rounded_seconds;
    byKey.set(row.key, { ...row, rounded_seconds: seconds });
  }
  return [...byKey.values()];
}

/** The entries with their notes, when the share has them. @param {Summary} report */
function slices(report) {
  const [first = "", second = ""] = report.group_by.split(",");
  const rows = /** @type {(Row & {slices?: Slice[]})[]} */ (report.rows);
  const all = rows.flatMap((row) => {
    const inner = /** @type {(Row & {slices?: Slice[]})[]} */ (row.rows ?? []);
    const own = (row.slices ?? []).map((slice) => ({ name: rowLabel(first, row), slice }));
    const nested = inner.flatMap((each) =>
      (each.slices ?? []).map((slice) => ({ name: `${rowLabel(first, row)} / ${rowLabel(second, each)}`, slice })),
    );
    return [...own, ...nested];
  });
  if (all.length === 0) return null;
  return h("section", { class: "panel" }, h("h2", null, t("reports.entries")), sliceTable(all, report.timezone));
}

/**
 * @param {NamedSlice[]} all
 * @param {string} zone
 */
function sliceTable(all, zone) {
  const day = (/** @type {NamedSlice} */ { slice }) => dayOf(Date.parse(slice.from), zone);
  const times = (/** @type {NamedSlice} */ { slice }) =>
    [slice.from, slice.to].map((instant) => formatTime(Date.parse(instant), zone)).join(" – ");
  return dataTable(() => ({
    caption: t("reports.entries"),
    rows: all,
    columns: [
      {
        label: t("reports.slice_day"),
        value: ({ slice }) => slice.from,
        cell: (each) => formatDay(day(each), { dateStyle: "medium" }),
      },
      { label: t("reports.slice_period"), cell: times },
      { label: t("shared.group"), value: ({ name }) => name, cell: ({ name }) => h("bdi", null, name) },
      { label: t("entry.note"), cell: ({ slice }) => h("bdi", { class: "slice-note" }, slice.note ?? "") },
      {
        label: t("reports.time"),
        isNumber: true,
        value: ({ slice }) => slice.seconds,
        cell: ({ slice }) => formatHours(slice.seconds),
      },
    ],
  }));
}

/** @param {Timesheet} report */
function timesheet({ days, rows, day_totals: totalsOfDays, total }) {
  if (rows.length === 0) return h("div", { class: "panel empty" }, h("p", null, t("shared.empty")));
  return h(
    "section",
    { class: "panel" },
    h("h2", null, t("nav.timesheet")),
    dataTable(() => ({
      caption: t("nav.timesheet"),
      rows,
      columns: [
        {
          label: t("reports.group_task"),
          value: ({ title }) => title,
          cell: ({ title, notes }) => [
            h("bdi", null, title),
            notes?.flat().map((note) => h("p", { class: "muted slice-note" }, h("bdi", null, note))),
          ],
        },
        ...days.map((day, index) => ({
          label: formatDay(day, { weekday: "short", day: "numeric" }),
          isNumber: true,
          cell: (/** @type {Timesheet["rows"][number]} */ { seconds }) => formatCell(seconds[index] ?? 0),
        })),
        {
          label: t("common.total"),
          isNumber: true,
          value: (row) => row.total,
          cell: (row) => formatHours(row.total),
        },
      ],
      foot: [t("common.total"), ...totalsOfDays.map(formatCell), formatHours(total)],
    })),
  );
}
