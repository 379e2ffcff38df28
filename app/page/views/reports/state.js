// What the report shows: its state, the place of the state in the address, and the queries of the API that it means.

import { computed } from "../../lib/signal.js";
import { GROUPS, TIME_GROUPS } from "../../parts/report/labels.js";
import { goTo, route } from "../../route.js";
import { today } from "../../store/clock.js";
import { weekStart, zone } from "../../store/profile.js";
import { addDays } from "../../time/zones.js";
import { isDay, RANGES, rangeOf } from "./ranges.js";

/**
 * @typedef {object} State
 * @property {string} range One of RANGES.
 * @property {string} from The first day, of the range "custom".
 * @property {string} to The last day, of the range "custom".
 * @property {string} project An id, "none" or "".
 * @property {string} task An id or "".
 * @property {string} tag
 * @property {string} billable "true", "false" or "".
 * @property {string} group
 * @property {string} second The second group, or "".
 * @property {string} rounding "up:15", or "".
 * @property {string} scope What is rounded: "entry", "day" or "row".
 *
 * @typedef {import("../../store/reports.js").Query} Query
 * @typedef {{first: string, last: string}} Range Days, both inclusive.
 */

/** @type {Readonly<State>} */
const DEFAULTS = {
  range: "this_week",
  from: "",
  to: "",
  project: "",
  task: "",
  tag: "",
  billable: "",
  group: "project",
  second: "",
  rounding: "",
  scope: "entry",
};

export const ROUNDING_MODES = ["up", "nearest", "down"];
export const ROUNDING_SCOPES = ["entry", "day", "row"];
const ROUNDING = /^(up|nearest|down):([1-9]\d{0,3})$/;

/** Return the state of the address with its range, and a function that changes it. */
export function followState() {
  /** @type {State} */
  let last = DEFAULTS;
  const state = computed(() => {
    // While another view opens, the state stays.
    if (route.value.name === "reports") last = stateOf(route.value.query);
    return last;
  });
  const range = computed(() => rangeOf(state.value, today.value, weekStart.value));
  return {
    state,
    range,
    /** @param {Partial<State>} fields */
    set(fields) {
      goTo(addressOf({ ...state.peek(), ...fields }), { isReplacement: true });
    },
  };
}

/**
 * @param {URLSearchParams} query
 * @returns {State}
 */
function stateOf(query) {
  const [group = "", second = ""] = (query.get("group_by") ?? DEFAULTS.group).split(",");
  const rounding = query.get("rounding") ?? "";
  const days = { from: query.get("from") ?? "", to: query.get("to") ?? "" };
  const isCustom = isDay(days.from) && isDay(days.to) && days.from <= days.to;
  return {
    range: oneOf(isCustom ? RANGES : RANGES.slice(0, -1), query.get("range"), DEFAULTS.range),
    ...(isCustom ? days : { from: "", to: "" }),
    project: query.get("project_id") ?? "",
    task: query.get("task_id") ?? "",
    tag: query.get("tag") ?? "",
    billable: oneOf(["true", "false"], query.get("billable"), ""),
    group: oneOf(GROUPS, group, DEFAULTS.group),
    second: second === group ? "" : oneOf(GROUPS, second, ""),
    rounding: isRounding(rounding) ? rounding : "",
    scope: oneOf(ROUNDING_SCOPES, query.get("rounding_scope"), DEFAULTS.scope),
  };
}

/**
 * Return the address of the view, with what is not the default.
 *
 * @param {State} state
 */
function addressOf(state) {
  const isCustom = state.range === "custom";
  /** @type {Record<string, string>} */
  const parameters = {
    range: state.range,
    ...(isCustom ? { from: state.from, to: state.to } : {}),
    project_id: state.project,
    task_id: state.task,
    tag: state.tag,
    billable: state.billable,
    group_by: groupsOf(state),
    ...(state.rounding ? { rounding: state.rounding, rounding_scope: state.scope } : {}),
  };
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  // A comma needs no escape, and the address is read by people.
  return `reports?${query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

/**
 * @param {readonly string[]} values
 * @param {string | null} value
 * @param {string} otherwise
 */
function oneOf(values, value, otherwise) {
  return value !== null && values.includes(value) ? value : otherwise;
}

/** @param {string} text */
function isRounding(text) {
  const minutes = Number(ROUNDING.exec(text)?.[2] ?? 0);
  return minutes >= 1 && minutes <= 1440;
}

/** @param {State} state */
export function groupsOf({ group, second }) {
  return second && second !== group ? `${group},${second}` : group;
}

/**
 * Return the range and the filters as query parameters.
 *
 * @param {State} state
 * @param {Range} range
 * @returns {Query}
 */
export function filterQuery({ project, task, tag, billable }, { first, last }) {
  return {
    from: first,
    to: addDays(last, 1),
    timezone: zone.value,
    project_id: project || null,
    task_id: task || null,
    tag: tag ? [tag] : null,
    billable: billable === "" ? null : billable === "true",
  };
}

/**
 * Return the rounding as query parameters.
 *
 * @param {State} state
 * @returns {Query}
 */
export function roundingQuery({ rounding, scope }) {
  return rounding ? { rounding, rounding_scope: scope } : {};
}

/**
 * Return the report as it is shared: without the parameters that are not given.
 *
 * @param {State} state
 * @param {Range} range
 * @returns {Record<string, unknown>}
 */
export function sharedReport(state, range) {
  const query = { ...filterQuery(state, range), ...roundingQuery(state), group_by: groupsOf(state) };
  const given = Object.entries(query).filter(([, value]) => value !== null);
  // The axis of a chart by time has no gaps.
  const fill = TIME_GROUPS.has(state.group);
  return { type: "summary", week_start: weekStart.peek(), fill, ...Object.fromEntries(given) };
}
