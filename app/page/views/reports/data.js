// The answers of the API that a report needs: the chosen groups, and those of the charts.

import { loadSummary } from "../../store/reports.js";
import { daysIn } from "./ranges.js";
import { filterQuery, groupsOf, roundingQuery } from "./state.js";

/**
 * @typedef {import("../../store/reports.js").Summary} Summary
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Range} Range
 *
 * @typedef {object} ReportData
 * @property {State} state
 * @property {Range} range
 * @property {Summary} report
 * @property {Summary} byTime By the unit of the bars and by project.
 * @property {Summary} byProject
 * @property {Summary} byHour By weekday and hour, without rounding.
 */

/** A range of more days has a bar for each week, and one of more weeks a bar for each month. */
const [MAX_DAYS, MAX_WEEKS] = [62, 60];

/**
 * Return the unit of the bars: one day is shown by its hours.
 *
 * @param {Range} range
 */
export function unitOf(range) {
  const days = daysIn(range);
  if (days === 1) return "hour";
  if (days <= MAX_DAYS) return "day";
  return days <= MAX_WEEKS * 7 ? "week" : "month";
}

/**
 * Load a report. Reads the signals of its queries at once.
 *
 * @param {State} state
 * @param {Range} range
 * @param {AbortSignal} signal
 * @returns {Promise<ReportData>}
 */
export async function loadReport(state, range, signal) {
  const filters = filterQuery(state, range);
  const rounding = roundingQuery(state);
  const unit = unitOf(range);
  // Hours cut entries apart: to round each part would add time.
  const byTimeRounding = unit === "hour" ? {} : rounding;
  const load = summaries(signal);
  const [report, byTime, byProject, byHour] = await Promise.all([
    load({ ...filters, ...rounding, group_by: groupsOf(state) }),
    load({ ...filters, ...byTimeRounding, group_by: `${unit},project`, fill: true }),
    load({ ...filters, ...rounding, group_by: "project" }),
    load({ ...filters, group_by: "weekday,hour" }),
  ]);
  return { state, range, report, byTime, byProject, byHour };
}

/**
 * Return a function that loads summaries, the same one only once.
 *
 * @param {AbortSignal} signal
 */
function summaries(signal) {
  /** @type {Map<string, Promise<Summary>>} */
  const loading = new Map();
  return (/** @type {import("./state.js").Query} */ query) => {
    const key = JSON.stringify(query);
    const summary = loading.get(key) ?? loadSummary(query, signal);
    loading.set(key, summary);
    return summary;
  };
}
