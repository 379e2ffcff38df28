// The view "Timesheet": rows of tasks, columns of days, and durations to type.

import { define, each, h } from "../../lib/dom.js";
import { computed, effect, onCleanup, signal } from "../../lib/signal.js";
import { showDialog } from "../../parts/dialog.js";
import { icon, projectDot } from "../../parts/icons.js";
import { attempt, describeError, retryButton } from "../../parts/notice.js";
import { taskPicker } from "../../parts/task_picker.js";
import { goTo, route } from "../../route.js";
import { today } from "../../store/clock.js";
import { weekStart, zone } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { loadTimesheet } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { createTask } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDay } from "../../time/format.js";
import { addDays, weekOf, weekRange } from "../../time/zones.js";
import { cell } from "./cell.js";
import { copyTimes, storeDuration } from "./changes.js";

/**
 * @typedef {{taskId: string, title: string, projectId: string | null, seconds: number[]}} Row
 * @typedef {ReturnType<typeof timesheetModel>} Model
 */

const NO_TIME = [0, 0, 0, 0, 0, 0, 0];

define("tt-timesheet", () => {
  const model = timesheetModel();
  return [header(model), state(model), h("div", { class: "timesheet-scroll" }, table(model)), addRow(model)];
});

function timesheetModel() {
  const anchor = signal(today.peek());
  effect(() => {
    if (route.value.name !== "timesheet") return;
    anchor.value = /^\d{4}-\d{2}-\d{2}$/.test(route.value.rest) ? route.value.rest : today.value;
  });
  const days = computed(() => weekOf(anchor.value, weekStart.value));
  const first = computed(() => days.value[0] ?? anchor.value);
  const sheet = resource(
    (signal) => loadTimesheet({ day: first.value, timezone: zone.value, weekStart: weekStart.value }, signal),
    ["entry", "timer", "task", "import", "project"],
  );
  /** Rows without time, by the first day of their week. */
  const added = signal(/** @type {Record<string, Row[]>} */ ({}));
  /** Seconds that are typed, by task and day. They count until the timesheet is loaded after they have been stored. */
  const typed = signal(/** @type {ReadonlyMap<string, {seconds: number, isStored: boolean}>} */ (new Map()));
  effect(() => {
    if (sheet.data.value) typed.value = new Map([...typed.peek()].filter(([, { isStored }]) => !isStored));
  });
  const isLoaded = computed(() => sheet.data.value?.days[0] === first.value);
  const rows = computed(() => {
    const loaded = (isLoaded.value && sheet.data.value?.rows) || [];
    const stored = loaded.map(({ task_id, title, project_id, seconds }) => ({
      taskId: task_id,
      title,
      projectId: project_id,
      seconds,
    }));
    const ids = new Set(stored.map((row) => row.taskId));
    return [...stored, ...(added.value[first.value] ?? []).filter((row) => !ids.has(row.taskId))];
  });
  const shownSeconds = (/** @type {Row} */ row, /** @type {number} */ column) =>
    typed.value.get(`${row.taskId} ${days.value[column]}`)?.seconds ?? row.seconds[column] ?? 0;
  return {
    days,
    first,
    sheet,
    isLoaded,
    rows,
    added,
    typed,
    rowTotal: (/** @type {Row} */ row) => NO_TIME.reduce((sum, _, column) => sum + shownSeconds(row, column), 0),
    dayTotal: (/** @type {number} */ column) => rows.value.reduce((sum, row) => sum + shownSeconds(row, column), 0),
  };
}

/** @param {Model} model */
function header(model) {
  const show = (/** @type {number} */ days) => goTo(`timesheet/${addDays(model.first.peek(), days)}`);
  return h(
    "header",
    { class: "view-header" },
    h(
      "h1",
      null,
      t("nav.timesheet"),
      " ",
      h("span", { class: "week-range" }, () => rangeText(model)),
    ),
    h(
      "div",
      { class: "week-navigation" },
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": t("week.previous_week"), onclick: () => show(-7) },
        icon("previous"),
      ),
      h("button", { type: "button", onclick: () => goTo(`timesheet/${today.peek()}`) }, t("week.this_week")),
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": t("week.next_week"), onclick: () => show(7) },
        icon("next"),
      ),
    ),
    h("button", { type: "button", onclick: () => void copyLastWeek(model) }, t("timesheet.copy")),
  );
}

/** @param {Model} model */
function rangeText(model) {
  const options = /** @type {const} */ ({ day: "numeric", month: "short" });
  return `${formatDay(model.first.value, options)} – ${formatDay(model.days.value[6] ?? "", options)}`;
}

/** @param {Model} model */
function state(model) {
  return h("p", { class: "muted timesheet-state", role: "status" }, () => {
    const { error, reload } = model.sheet;
    if (error.value) return [describeError(error.value), " ", retryButton(reload, "link")];
    if (!model.isLoaded.value) return h("span", { class: "loading" }, t("common.loading"));
    return model.rows.value.length === 0 ? t("timesheet.empty") : "";
  });
}

/** @param {Model} model */
function table(model) {
  const columns = NO_TIME.map((_, column) => column);
  return h(
    "table",
    { class: "timesheet", onkeydown: walk },
    h("caption", { class: "visually-hidden" }, t("nav.timesheet")),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        h("th", { scope: "col" }, t("entry.task")),
        columns.map((column) => h("th", { scope: "col", class: "number" }, () => dayName(model, column))),
        h("th", { scope: "col", class: "number" }, t("common.total")),
      ),
    ),
    each(
      h("tbody"),
      () => model.rows.value,
      (row) => `${model.first.value} ${row.taskId}`,
      (row) => tableRow(model, row),
    ),
    h(
      "tfoot",
      null,
      h(
        "tr",
        null,
        h("th", { scope: "row" }, t("common.total")),
        columns.map((column) => h("td", { class: "number" }, () => formatHours(model.dayTotal(column)))),
        h("td", { class: "number timesheet-total" }, () =>
          formatHours(columns.reduce((sum, column) => sum + model.dayTotal(column), 0)),
        ),
      ),
    ),
  );
}

/**
 * @param {Model} model
 * @param {number} column
 */
function dayName(model, column) {
  const day = model.days.value[column] ?? "";
  const text = `${formatDay(day, { weekday: "short" })} ${formatDay(day, { day: "numeric" })}`;
  return h("span", { class: day === today.value ? "timesheet-today" : null }, text);
}

/**
 * @param {Model} model
 * @param {import("../../lib/signal.js").ReadSignal<Row>} row
 */
function tableRow(model, row) {
  const { taskId } = row.peek();
  const days = model.days.peek();
  const keyOf = (/** @type {number} */ column) => `${taskId} ${days[column]}`;
  onCleanup(() => {
    for (const column of days.keys()) setTyped(model, keyOf(column), null);
  });
  return h(
    "tr",
    null,
    h(
      "th",
      { scope: "row" },
      h(
        "span",
        { class: "timesheet-task" },
        () => projectDot(row.value.projectId),
        h("span", { class: "timesheet-title", title: () => row.value.title }, () => row.value.title),
      ),
      () =>
        project(row.value.projectId) &&
        h("span", { class: "muted timesheet-project" }, project(row.value.projectId)?.name),
    ),
    NO_TIME.map((_, column) =>
      cell({
        label: () => `${row.value.title}, ${formatDay(days[column] ?? "")}`,
        seconds: () => row.value.seconds[column] ?? 0,
        oninput: (seconds) => setTyped(model, keyOf(column), seconds),
        onstore: async (seconds) => {
          setTyped(model, keyOf(column), seconds);
          const isDone = await storeDuration({ id: taskId, title: row.peek().title }, days[column] ?? "", seconds);
          if (model.typed.peek().get(keyOf(column))?.seconds === seconds)
            setTyped(model, keyOf(column), seconds, { isStored: true });
          return isDone;
        },
      }),
    ),
    h("td", { class: "number timesheet-sum" }, () => formatHours(model.rowTotal(row.value))),
  );
}

/**
 * @param {Model} model
 * @param {string} key
 * @param {number | null} seconds
 */
function setTyped(model, key, seconds, { isStored = false } = {}) {
  const next = new Map(model.typed.peek());
  if (seconds === null) next.delete(key);
  else next.set(key, { seconds, isStored });
  model.typed.value = next;
}

/** Move between the cells like in a spreadsheet. @param {KeyboardEvent} event */
function walk(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (!input.classList.contains("timesheet-cell") || event.altKey || event.ctrlKey || event.metaKey) return;
  const { selectionStart, selectionEnd, value } = input;
  const isWhole = selectionStart === 0 && selectionEnd === value.length;
  /** @type {Record<string, [number, number, boolean]>} */
  const steps = {
    ArrowDown: [1, 0, true],
    ArrowUp: [-1, 0, true],
    Enter: [event.shiftKey ? -1 : 1, 0, true],
    ArrowRight: [0, 1, isWhole || selectionStart === value.length],
    ArrowLeft: [0, -1, isWhole || selectionEnd === 0],
  };
  const [down, right, isMove] = steps[event.key] ?? [0, 0, false];
  if (!isMove) return;
  event.preventDefault();
  const td = /** @type {HTMLTableCellElement} */ (input.closest("td"));
  const row = /** @type {HTMLTableRowElement} */ (td.parentElement);
  const rows = [...(row.parentElement?.children ?? [])];
  const target = rows[rows.indexOf(row) + down]?.children[td.cellIndex + right]?.querySelector("input");
  if (target) target.focus();
  // The last row: Enter stores without leaving.
  else if (event.key === "Enter") input.dispatchEvent(new Event("change"));
}

/** @param {Model} model */
function addRow(model) {
  const text = signal("");
  /** The titles of the tasks that are being created: Enter may be pressed twice. */
  const creating = /** @type {Set<string>} */ (new Set());

  /** @param {import("../../parts/task_picker.js").Choice} choice */
  async function add({ id, title, projectId }) {
    if (creating.has(title)) return;
    const [week, typed] = [model.first.peek(), text.peek()];
    const known = id ?? model.rows.peek().find((row) => row.title === title)?.taskId;
    creating.add(title);
    try {
      const taskId = known ?? (await createTask({ title })).id;
      addRows(model, week, [{ taskId, title, projectId, seconds: NO_TIME }]);
    } finally {
      creating.delete(title);
    }
    // What the person has typed or reached meanwhile stays.
    if (text.peek() !== typed || document.activeElement !== picker.input) return;
    text.value = "";
    focusRow(title);
  }

  const picker = taskPicker({
    label: t("timesheet.add_row"),
    text,
    onchoose: (choice) => void attempt(() => add(choice)),
  });
  return h("div", { class: "timesheet-add" }, picker.element);
}

/** @param {string} title */
function focusRow(title) {
  const inputs = [...document.querySelectorAll("tt-timesheet tbody tr")].find(
    (row) => row.querySelector(".timesheet-title")?.textContent === title,
  );
  inputs?.querySelector("input")?.focus();
}

/**
 * @param {Model} model
 * @param {string} week Its first day: another week may be shown by now.
 * @param {Row[]} rows
 */
function addRows(model, week, rows) {
  const added = model.added.peek()[week] ?? [];
  const present = new Set(added.map((row) => row.taskId));
  const fresh = rows.filter((row) => !present.has(row.taskId));
  model.added.value = { ...model.added.peek(), [week]: [...added, ...fresh] };
}

/** @param {Model} model */
async function copyLastWeek(model) {
  const choice = await showDialog(t("timesheet.copy"), (/** @type {(choice?: "rows" | "times") => void} */ close) => [
    h("p", null, t("timesheet.copy_what")),
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: () => close() }, t("common.cancel")),
      h("button", { type: "button", onclick: () => close("times") }, t("timesheet.copy_times")),
      h(
        "button",
        { type: "button", class: "primary", autofocus: true, onclick: () => close("rows") },
        t("timesheet.copy_rows"),
      ),
    ),
  ]);
  if (!choice) return;
  const week = model.first.peek();
  const last = addDays(week, -7);
  await attempt(async () => {
    if (choice === "times") {
      await copyTimes(weekRange(last, weekStart.peek(), zone.peek()));
      return;
    }
    const query = { day: last, timezone: zone.peek(), weekStart: weekStart.peek() };
    const { rows } = await loadTimesheet(query, new AbortController().signal);
    addRows(
      model,
      week,
      rows.map((row) => ({ taskId: row.task_id, title: row.title, projectId: row.project_id, seconds: NO_TIME })),
    );
  });
}
