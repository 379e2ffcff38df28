// The entries of the day: by time with the gaps between them, or by task.

import { each, h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { openEntryDialog } from "../../parts/dialog.js";
import { projectDot } from "../../parts/icons.js";
import { loadFailure } from "../../parts/notice.js";
import { today } from "../../store/clock.js";
import { changeIds } from "../../store/outgoing.js";
import { zone } from "../../store/profile.js";
import { timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";
import { entryRow } from "./entry_row.js";
import { runningRow } from "./running_row.js";
import { findGaps } from "./spans.js";

/**
 * @typedef {import("./day.js").Day} Day
 * @typedef {import("./day.js").Row} Row
 * @typedef {import("./spans.js").Span} Span
 * @typedef {{key: string, seconds: number, title: string, projectId: string | null, rows: Row[]}} Group
 * @typedef {{row: Row} | {gap: Span} | {group: Group}} Item
 */

const GROUPING_KEY = "task-timer.today.grouping";

/** @type {import("../../lib/signal.js").Signal<string>} */
const grouping = signal(localStorage.getItem(GROUPING_KEY) === "task" ? "task" : "time");

/**
 * Create the list with its toolbar.
 *
 * @param {Day} day
 */
export function entryList(day) {
  return h(
    "section",
    { class: "panel entries", "aria-labelledby": "entries-heading" },
    h(
      "div",
      { class: "entries-header" },
      h("h2", { id: "entries-heading" }, t("today.entries")),
      groupingChoice(),
      h("button", { type: "button", onclick: () => addEntry(day) }, t("entry.new")),
    ),
    () => day.isRunning.value && runningRow(),
    () => (grouping.value === "task" ? listByTask(day) : listByTime(day)),
    () => state(day),
  );
}

function groupingChoice() {
  /** @param {string} name */
  const choice = (name) =>
    h(
      "label",
      { class: "segment" },
      h("input", {
        type: "radio",
        name: "grouping",
        class: "visually-hidden",
        checked: () => grouping.value === name,
        onchange: () => {
          grouping.value = name;
          localStorage.setItem(GROUPING_KEY, name);
        },
      }),
      h("span", null, t(`today.by_${name}`)),
    );
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "visually-hidden" }, t("today.grouping")),
    choice("time"),
    choice("task"),
  );
}

/** @param {Day} day */
function listByTime(day) {
  return list(day, () => {
    const running = timer.value && day.isRunning.value ? [{ startedAt: timer.value.startedAt, endedAt: Infinity }] : [];
    const gaps = findGaps([...day.rows.value, ...running]).map((gap) => ({ gap }));
    const rows = day.rows.value.map((row) => ({ row }));
    return [...rows, ...gaps].sort((a, b) => startOf(b) - startOf(a));
  });
}

/** @param {Day} day */
function listByTask(day) {
  return list(day, () =>
    groupsOf(day.rows.value).flatMap((group) => [{ group }, ...group.rows.map((row) => ({ row }))]),
  );
}

/**
 * Create the list. It is one for all groups: an entry that changes its place in it keeps the focus.
 *
 * @param {Day} day
 * @param {() => Item[]} items
 */
function list(day, items) {
  return each(
    h("ul", { class: "entry-list", "aria-label": t("today.entries") }),
    items,
    (item) => {
      // An entry that waited keeps its row, and the focus in it, when it is sent.
      if ("row" in item) return changeIds.get(item.row.id) ?? item.row.id;
      return "gap" in item ? `gap ${item.gap.startedAt}` : `task ${item.group.key}`;
    },
    (item) => {
      const first = item.peek();
      if ("gap" in first) return gapRow(computed(() => ("gap" in item.value ? item.value.gap : first.gap)));
      if ("group" in first) return groupRow(computed(() => ("group" in item.value ? item.value.group : first.group)));
      return entryRow(
        day,
        computed(() => ("row" in item.value ? item.value.row : first.row)),
      );
    },
  );
}

/** @param {{row: Row} | {gap: Span}} item */
function startOf(item) {
  return "row" in item ? item.row.startedAt : item.gap.startedAt;
}

/** @param {import("../../lib/signal.js").ReadSignal<Span>} gap */
function gapRow(gap) {
  const range = () => ({
    from: formatTime(gap.value.startedAt, zone.value),
    to: formatTime(gap.value.endedAt, zone.value),
    duration: formatHours((gap.value.endedAt - gap.value.startedAt) / 1000),
  });
  return h(
    "li",
    { class: "gap-row" },
    h("span", null, () => t("today.gap", range())),
    h(
      "button",
      {
        type: "button",
        class: "link",
        "aria-label": () => t("today.fill_gap", range()),
        onclick: () => openEntryDialog({ entry: null, task: null, note: null, tags: [], ...gap.peek() }),
      },
      t("today.fill"),
    ),
  );
}

/** @param {import("../../lib/signal.js").ReadSignal<Group>} group */
function groupRow(group) {
  return h(
    "li",
    null,
    h(
      "h3",
      { class: "entry-group-title" },
      () => projectDot(group.value.projectId),
      h("bdi", null, () => group.value.title),
      h("span", { class: "muted" }, () => t("today.count", { count: group.value.rows.length })),
      h("span", { class: "number" }, () => formatHours(group.value.seconds)),
    ),
  );
}

/** @param {readonly Row[]} rows @returns {Group[]} The one with the newest entry first. */
function groupsOf(rows) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const row of rows) {
    const key = row.taskId || row.title;
    const group = groups.get(key) ?? { key, seconds: 0, title: row.title, projectId: row.projectId, rows: [] };
    groups.set(key, { ...group, seconds: group.seconds + row.seconds, rows: [...group.rows, row] });
  }
  return [...groups.values()];
}

/**
 * Say that the list is being loaded, failed to load, or is empty.
 *
 * @param {Day} day
 */
function state(day) {
  if (day.error.value && !day.isLoaded.value) {
    return h("div", { class: "empty" }, loadFailure(day.error.value, day.reload));
  }
  if (!day.isLoaded.value) return h("p", { class: "empty loading" }, t("common.loading"));
  if (day.rows.value.length > 0 || day.isRunning.value) return null;
  return h("p", { class: "empty" }, t(day.day.value === today.value ? "today.empty" : "today.empty_day"));
}

const HOUR_MS = 3_600_000;

/** @param {Day} day */
function addEntry(day) {
  const [newest] = day.rows.peek();
  const { from, to } = day.range.peek();
  const startedAt = newest ? Math.min(newest.endedAt, to - HOUR_MS) : from + 9 * HOUR_MS;
  return openEntryDialog({ entry: null, task: null, startedAt, endedAt: startedAt + HOUR_MS, note: null, tags: [] });
}
