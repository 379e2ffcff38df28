// The entries behind a number of the report.

import { h } from "../../lib/dom.js";
import { showDialog } from "../../parts/dialog.js";
import { loadFailure } from "../../parts/notice.js";
import { rowLabel } from "../../parts/report/labels.js";
import { rowLimit, scroller } from "../../parts/report/table.js";
import { zone } from "../../store/profile.js";
import { explainSummary } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { t } from "../../text/index.js";
import { formatClock, formatHours } from "../../time/durations.js";
import { formatDay, formatTime } from "../../time/format.js";
import { addDays, dayOf } from "../../time/zones.js";
import { filterQuery, roundingQuery } from "./state.js";

/**
 * @typedef {import("../../parts/report/labels.js").Row} Row
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Range} Range
 * @typedef {{task_id: string, entry_id: string, from: string, to: string, seconds: number}} Slice
 * @typedef {{row: Row & {slices?: Slice[]} | undefined, slices: Slice[], titles: Map<string, string>}} Explanation
 */

/**
 * Show the parts of entries that a row sums up.
 *
 * @param {State} state
 * @param {Range} range
 * @param {{row: Row, outer: Row | null, report: {group_by: string}}} chosen
 */
export async function explainRow(state, range, { row, outer, report }) {
  const [first = "", second = ""] = report.group_by.split(",");
  const path = outer ? [rowLabel(first, outer), rowLabel(second, row)] : [rowLabel(first, row)];
  const filters = narrow(narrow(filterQuery(state, range), first, outer ?? row), second, outer && row);
  const query = { ...filters, ...roundingQuery(state), group_by: outer ? report.group_by : first };
  await showDialog(path.join(" / "), (/** @type {() => void} */ close) => {
    const explained = resource((signal) => load(query, { row, outer }, signal));
    return [
      h("div", { class: "explanation", role: "status" }, () => status(explained)),
      () => explained.data.value && list(explained.data.value, close),
      h("div", { class: "form-actions" }, h("button", { type: "button", onclick: () => close() }, t("common.close"))),
    ];
  });
}

/**
 * Add the filter that means a row, where there is one: an answer with fewer entries comes sooner.
 *
 * @param {import("./state.js").Query} query
 * @param {string} group
 * @param {Row | null} row
 * @returns {import("./state.js").Query}
 */
function narrow(query, group, row) {
  if (!row) return query;
  const { key } = row;
  if (group === "project") return { ...query, project_id: key ?? "none" };
  if (group === "task") return { ...query, task_id: key };
  if (group === "status" && key) return { ...query, status: [key] };
  if (group === "billable") return { ...query, billable: key === "true" };
  if (group === "day" && key) return { ...query, from: key, to: addDays(key, 1) };
  return query;
}

/**
 * @param {import("./state.js").Query} query
 * @param {{row: Row, outer: Row | null}} chosen
 * @param {AbortSignal} signal
 * @returns {Promise<Explanation>}
 */
async function load(query, { row, outer }, signal) {
  const { report, titles } = await explainSummary(query, signal);
  const rows = outer ? (report.rows.find((each) => each.key === outer.key)?.rows ?? []) : report.rows;
  const found = /** @type {Explanation["row"]} */ (rows.find((each) => each.key === row.key));
  return { row: found, slices: found?.slices ?? [], titles };
}

/** @param {import("../../store/resource.js").Resource<Explanation>} explained */
function status({ data, error, reload }) {
  if (error.value) return loadFailure(error.value, reload);
  const row = data.value?.row;
  if (!data.value) return h("p", { class: "loading" }, t("common.loading"));
  if (!row) return h("p", null, t("reports.nothing_left"));
  const entries = t("reports.entry_count", { count: row.entry_count });
  const rounded = row.rounded_seconds !== row.seconds;
  return h("p", null, [
    h("b", { class: "number" }, formatClock(row.seconds)),
    ` ${t("reports.in_entries", { entries })}`,
    rounded && ` ${t("reports.rounded_to", { time: formatHours(row.rounded_seconds) })}`,
  ]);
}

/**
 * @param {Explanation} explanation
 * @param {() => void} close
 */
function list({ slices, titles }, close) {
  const { limit, button } = rowLimit(() => slices.length);
  const rows = h("tbody", null, () => slices.slice(0, limit.value).map((slice) => sliceRow(slice, titles, close)));
  const table = h(
    "table",
    { class: "data-table slices" },
    h("caption", { class: "visually-hidden" }, t("reports.entries")),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["day", "period", "task"].map((name) => h("th", { scope: "col" }, t(`reports.slice_${name}`))),
        h("th", { scope: "col", class: "number" }, t("reports.time")),
      ),
    ),
    rows,
  );
  return [scroller(t("reports.entries"), table), button(rows)];
}

/**
 * @param {Slice} slice
 * @param {Map<string, string>} titles
 * @param {() => void} close
 */
function sliceRow(slice, titles, close) {
  const [from, to] = [Date.parse(slice.from), Date.parse(slice.to)];
  const day = dayOf(from, zone.peek());
  return h(
    "tr",
    null,
    h("td", null, h("a", { href: `#/today/${day}`, onclick: () => close() }, formatDay(day, { dateStyle: "medium" }))),
    h("td", { class: "slice-times" }, `${formatTime(from, zone.peek())} – ${formatTime(to, zone.peek())}`),
    h("td", { class: "slice-title" }, h("bdi", null, titles.get(slice.task_id) ?? "")),
    h("td", { class: "number" }, formatClock(slice.seconds)),
  );
}
