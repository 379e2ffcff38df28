// The answers of the API that a report needs: the chosen groups, and those of the charts.

import { computed, signal } from "../../lib/signal.js";
import { TIME_GROUPS } from "../../parts/report/labels.js";
import { loadSummaries } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { daysIn } from "./ranges.js";
import { filterQuery, groupsOf, roundingQuery } from "./state.js";

/**
 * @typedef {import("../../store/reports.js").Summary} Summary
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Range} Range
 *
 * @typedef {object} Part The answer of one request.
 * @property {string} key The report that it belongs to: it changes with the state and the range.
 * @property {State} state
 * @property {Range} range
 * @property {Summary} summary
 *
 * @typedef {object} Parts
 * @property {import("../../lib/signal.js").Signal<Part | null>} report By the chosen groups.
 * @property {import("../../lib/signal.js").Signal<Part | null>} byTime By the unit of the bars and by project.
 * @property {import("../../lib/signal.js").Signal<Part | null>} byProject
 * @property {import("../../lib/signal.js").Signal<Part | null>} byHour By weekday and hour, without rounding.
 *
 * @typedef {ReturnType<typeof followReport>} Report
 */

const KINDS = ["entry", "timer", "task", "project", "import", "user"];

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
 * Load a report, and load it again when its state or its data changes.
 *
 * Each part is set when its request has answered, also while others are loading. A part that is the same as before
 * stays: what shows it is not drawn again.
 *
 * @param {import("../../lib/signal.js").ReadSignal<State>} state
 * @param {import("../../lib/signal.js").ReadSignal<Range>} range
 */
export function followReport(state, range) {
  const key = computed(() => JSON.stringify([state.value, range.value]));
  const create = () => signal(/** @type {Part | null} */ (null));
  /** @type {Parts} */
  const parts = { report: create(), byTime: create(), byProject: create(), byHour: create() };
  const { error, reload } = resource(async (/** @type {AbortSignal} */ aborted) => {
    const shown = { key: key.value, state: state.peek(), range: range.peek() };
    const requests = requestParts(shown, aborted);
    await Promise.all(
      /** @type {(keyof Parts)[]} */ (Object.keys(parts)).map(async (name) => {
        const part = { ...shown, summary: await requests[name] };
        if (!aborted.aborted && !isSame(part, parts[name].peek())) parts[name].value = part;
      }),
    );
  }, KINDS);
  return { parts, key, error, reload };
}

/**
 * @param {Part} part
 * @param {Part | null} other
 */
function isSame(part, other) {
  return part.key === other?.key && JSON.stringify(part.summary) === JSON.stringify(other.summary);
}

/**
 * Request the parts. Reads the signals of the queries at once.
 *
 * @param {{state: State, range: Range}} report
 * @param {AbortSignal} signal
 * @returns {Record<keyof Parts, Promise<Summary>>}
 */
function requestParts({ state, range }, signal) {
  const filters = filterQuery(state, range);
  const rounding = roundingQuery(state);
  const unit = unitOf(range);
  // Hours cut entries apart: to round each part would add time.
  const byTimeRounding = unit === "hour" ? {} : rounding;
  // Only rows by time can be filled in. The other parts fill too, so that one request answers most of them.
  return requestTogether(
    {
      report: { ...filters, ...rounding, group_by: groupsOf(state), fill: !TIME_GROUPS.has(state.group) },
      byTime: { ...filters, ...byTimeRounding, group_by: `${unit},project`, fill: true },
      byProject: { ...filters, ...rounding, group_by: "project", fill: true },
      byHour: { ...filters, group_by: "weekday,hour", fill: true },
    },
    signal,
  );
}

/**
 * Request these summaries, by one request for all that differ only in their groups.
 *
 * @template {string} Name
 * @param {Record<Name, import("./state.js").Query>} queries
 * @param {AbortSignal} signal
 * @returns {Record<Name, Promise<Summary>>}
 */
function requestTogether(queries, signal) {
  const parts = Object.entries(queries).map(([name, { group_by: groups, ...options }]) => {
    return { name, groups: String(groups), options, key: JSON.stringify(options) };
  });
  const requests = [...Map.groupBy(parts, ({ key }) => key).values()].flatMap((alike) => {
    const groups = [...new Set(alike.map((part) => part.groups))];
    const loading = loadSummaries(alike[0]?.options ?? {}, groups, signal);
    return alike.map((part) => [part.name, loading[groups.indexOf(part.groups)]]);
  });
  return Object.fromEntries(requests);
}
