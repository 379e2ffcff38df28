// The totals of a report, and the table of its rows. Every number is the one of the API.

import { h } from "../../lib/dom.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatNumber } from "../../time/format.js";
import { formatAmounts, formatShare, reportTitle, rowLabel, TIME_GROUPS } from "./labels.js";
import { dataTable } from "./table.js";

/**
 * @typedef {import("./labels.js").Row} Row
 *
 * @typedef {object} Report A summary, of the user's own or a shared one.
 * @property {string} group_by
 * @property {string | null} rounding
 * @property {number} total_seconds
 * @property {number} rounded_total_seconds
 * @property {number} running_seconds
 * @property {boolean} overlapping
 * @property {Row["amounts"]} amounts
 * @property {Row[]} rows
 */

/**
 * Create the list of the totals.
 *
 * @param {Report} report
 */
export function totals(report) {
  const { rounding, total_seconds: seconds, rounded_total_seconds: rounded, running_seconds: running } = report;
  /** @param {string} label @param {string} value @param {string} [name] */
  const item = (label, value, name = "") => h("div", { class: name }, h("dt", null, label), h("dd", null, value));
  return h(
    "dl",
    { class: "report-totals" },
    item(t("common.total"), formatHours(rounded), "is-main"),
    rounding && item(t("reports.before_rounding"), formatHours(seconds)),
    report.amounts.map((amount) => item(t("reports.money_in", { currency: amount.currency }), formatAmounts([amount]))),
    running > 0 && item(t("reports.running"), formatHours(running)),
  );
}

/**
 * Create the table of the rows.
 *
 * @param {() => Report} read As for dataTable.
 * @param {(row: Row, outer: Row | null) => void} [explain]
 */
export function reportTable(read, explain) {
  return dataTable(() => contentOf(read(), explain));
}

/**
 * @param {Report} report
 * @param {(row: Row, outer: Row | null) => void} [explain]
 * @returns {import("./table.js").Content<Row>}
 */
function contentOf(report, explain) {
  const groups = report.group_by.split(",");
  /** @type {Map<Row, Row>} */
  const outerOf = new Map();
  for (const row of report.rows) for (const inner of row.rows ?? []) outerOf.set(inner, row);
  const labelOf = (/** @type {Row} */ row) => rowLabel(groups[outerOf.has(row) ? 1 : 0] ?? "", row);
  const columns = columnsOf(report, groups, labelOf);
  if (explain) columns.push(explainColumn((row) => explain(row, outerOf.get(row) ?? null), labelOf));
  return {
    caption: reportTitle(report.group_by),
    rows: report.rows,
    children: (row) => row.rows ?? [],
    key: (row) => row.key,
    columns,
    foot: footOf(report, explain !== undefined),
  };
}

/**
 * @param {Report} report
 * @param {string[]} groups
 * @param {(row: Row) => string} labelOf
 * @returns {import("./table.js").Column<Row>[]}
 */
function columnsOf(report, groups, labelOf) {
  const total = report.rounded_total_seconds;
  const isTime = TIME_GROUPS.has(groups[0] ?? "");
  return [
    {
      label: groups.map((group) => t(`reports.group_${group}`)).join(" / "),
      id: "group",
      value: (row) => (isTime && row.rows ? (row.key ?? "") : labelOf(row)),
      cell: (row) => h("bdi", null, labelOf(row)),
    },
    {
      label: t("reports.time"),
      isNumber: true,
      value: (row) => row.rounded_seconds,
      cell: (row) => formatHours(row.rounded_seconds),
    },
    ...(report.rounding ? [rawColumn()] : []),
    {
      label: t("reports.share_of_total"),
      isNumber: true,
      value: (row) => row.rounded_seconds,
      cell: (row) => formatShare(row.rounded_seconds, total),
    },
    {
      label: t("reports.entries"),
      isNumber: true,
      value: (row) => row.entry_count,
      cell: (row) => formatNumber(row.entry_count),
    },
    ...(report.amounts.length > 0 ? [moneyColumn()] : []),
  ];
}

/** @returns {import("./table.js").Column<Row>} */
function rawColumn() {
  return {
    label: t("reports.before_rounding"),
    isNumber: true,
    value: (row) => row.seconds,
    cell: (row) => formatHours(row.seconds),
  };
}

/** @returns {import("./table.js").Column<Row>} */
function moneyColumn() {
  return {
    label: t("reports.money"),
    isNumber: true,
    value: (row) => row.amounts[0]?.amount ?? 0,
    cell: (row) => formatAmounts(row.amounts) || "–",
  };
}

/**
 * @param {(row: Row) => void} explain
 * @param {(row: Row) => string} labelOf
 * @returns {import("./table.js").Column<Row>}
 */
function explainColumn(explain, labelOf) {
  return {
    label: t("reports.explain"),
    isNumber: true,
    action: {
      name: (row) => t("reports.explain_row", { name: labelOf(row) }),
      isPossible: (row) => row.entry_count > 0,
      run: explain,
    },
  };
}

/**
 * @param {Report} report
 * @param {boolean} hasAction
 * @returns {import("../../lib/dom.js").Child[]}
 */
function footOf(report, hasAction) {
  return [
    t("common.total"),
    formatHours(report.rounded_total_seconds),
    ...(report.rounding ? [formatHours(report.total_seconds)] : []),
    "",
    "",
    ...(report.amounts.length > 0 ? [formatAmounts(report.amounts)] : []),
    ...(hasAction ? [""] : []),
  ];
}
