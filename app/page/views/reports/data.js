// The answers of the API that a report needs: the chosen groups, and those of the charts.

import { signal } from "../../lib/signal.js";
import { loadSummary } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { daysIn } from "./ranges.js";
import { filterQuery, groupsOf, roundingQuery } from "./state.js";

/**
 * @typedef {import("../../store/reports.js").Summary} Summary
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Range} Range
 * @typedef {{state: State, range: Range}} Shown
 * @typedef {{shown: Shown, summary: Summary}} Part The answer of one request.
 * @typedef {"report" | "byTime" | "byProject" | "byHour"} PartName
 */

const KINDS = ["entry", "timer", "task", "project", "tag", "import", "user"];

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
 * Load a report, and load it again when its state or its data changes. Each part is there as soon as its request has
 * answered; until then, it is the part of the previous load.
 *
 * @param {import("../../lib/signal.js").ReadSignal<State>} state
 * @param {import("../../lib/signal.js").ReadSignal<Range>} range
 */
export function followReport(state, range) {
  const shown = signal(/** @type {Shown | null} */ (null));
  const empty = () => signal(/** @type {Part | null} */ (null));
  const parts = { report: empty(), byTime: empty(), byProject: empty(), byHour: empty() };
  const { error, reload } = resource(async (aborted) => {
    const current = { state: state.value, range: range.value };
    shown.value = current;
    const requests = request(current, aborted);
    const names = /** @type {PartName[]} */ (Object.keys(parts));
    await Promise.all(
      names.map(async (name) => {
        const summary = await requests[name];
        if (!aborted.aborted) parts[name].value = { shown: current, summary };
      }),
    );
  }, KINDS);
  return { parts, shown, error, reload };
}

/**
 * Request the summaries of a report: the chosen groups, those of the bars by their unit and by project, those by
 * project, and those by weekday and hour. The last ones are not rounded.
 *
 * @param {Shown} shown
 * @param {AbortSignal} signal
 * @returns {Record<PartName, Promise<Summary>>}
 */
function request({ state, range }, signal) {
  const filters = filterQuery(state, range);
  const rounding = roundingQuery(state);
  const unit = unitOf(range);
  // Hours cut entries apart: to round each part would add time.
  const byTimeRounding = unit === "hour" ? {} : rounding;
  const load = summaries(signal);
  return {
    report: load({ ...filters, ...rounding, group_by: groupsOf(state) }),
    byTime: load({ ...filters, ...byTimeRounding, group_by: `${unit},project`, fill: true }),
    byProject: load({ ...filters, ...rounding, group_by: "project" }),
    byHour: load({ ...filters, group_by: "weekday,hour" }),
  };
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
