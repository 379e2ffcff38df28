// The rows of reports as people read them.

import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDay, formatNumber } from "../../time/format.js";
import { formatMoney } from "../../time/money.js";
import { addDays } from "../../time/zones.js";

/**
 * @typedef {object} Row A row of a report, of the user's own or of a shared one.
 * @property {string | null} key
 * @property {string} label
 * @property {number} seconds
 * @property {number} rounded_seconds Equal to `seconds` without rounding.
 * @property {number} entry_count
 * @property {{currency: string, amount: number}[]} amounts
 * @property {Row[]} [rows]
 */

export const GROUPS = [
  "day",
  "week",
  "month",
  "quarter",
  "year",
  "weekday",
  "hour",
  "project",
  "client",
  "task",
  "tag",
  "status",
  "billable",
];

/** Groups whose rows follow each other in time. */
export const TIME_GROUPS = new Set(["hour", "day", "week", "month", "quarter", "year", "weekday"]);

const A_MONDAY = "2026-01-05";

/** @type {Record<string, (key: string) => string>} */
const FORMATS = {
  day: (key) => formatDay(key, { weekday: "short", day: "numeric", month: "short", year: "numeric" }),
  week: (key) => t("reports.week_of", { day: formatDay(key, { dateStyle: "medium" }) }),
  month: (key) => formatDay(`${key}-01`, { month: "long", year: "numeric" }),
  quarter: (key) => t("reports.quarter_of", { quarter: key.slice(-1), year: key.slice(0, 4) }),
  weekday: (key) => formatDay(addDays(A_MONDAY, Number(key)), { weekday: "long" }),
  hour: (key) => `${key}:00`,
  status: (key) => t(`tasks.status_${key}`),
  billable: (key) => t(key === "true" ? "reports.billable" : "reports.not_billable"),
};

/** @type {Record<string, (key: string) => string>} */
const SHORT_FORMATS = {
  day: (key) => formatDay(key, { day: "numeric", month: "short" }),
  week: (key) => formatDay(key, { day: "numeric", month: "short" }),
  month: (key) => formatDay(`${key}-01`, { month: "short" }),
  weekday: (key) => formatDay(addDays(A_MONDAY, Number(key)), { weekday: "short" }),
  hour: (key) => key,
};

/**
 * Return the name of a row.
 *
 * @param {string} group
 * @param {Pick<Row, "key" | "label">} row
 */
export function rowLabel(group, { key, label }) {
  if (key === null) return t(`reports.no_${group}`);
  return FORMATS[group]?.(key) ?? (label || t("reports.unnamed"));
}

/**
 * Return the title of a report: what its rows are grouped by.
 *
 * @param {string} groupBy
 */
export function reportTitle(groupBy) {
  const [group = "", second] = groupBy.split(",").map((each) => t(`reports.group_${each}`));
  return second ? t("reports.by_two", { group, second }) : t("reports.by", { group });
}

/**
 * Return the name of a row of a group by time for an axis.
 *
 * @param {string} group
 * @param {Row} row
 */
export function shortLabel(group, row) {
  return SHORT_FORMATS[group]?.(row.key ?? "") ?? rowLabel(group, row);
}

/**
 * Return amounts of money, one for each currency.
 *
 * @param {Row["amounts"]} amounts
 */
export function formatAmounts(amounts) {
  return amounts.map((amount) => formatMoney(amount)).join(" + ");
}

/**
 * Return a share of a total in percent.
 *
 * @param {number} part
 * @param {number} total
 */
export function formatShare(part, total) {
  const options = /** @type {Intl.NumberFormatOptions} */ ({
    style: "percent",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  return total > 0 ? formatNumber(part / total, options) : "–";
}

/**
 * Return a duration as "H:MM", or a dash for none.
 *
 * @param {number} seconds
 */
export function formatCell(seconds) {
  return seconds > 0 ? formatHours(seconds) : "–";
}
