// The timer, on every view: what runs, since when, start and stop.

import { each, h } from "../lib/dom.js";
import { effect, signal } from "../lib/signal.js";
import { second } from "../store/clock.js";
import { restoreEntry } from "../store/entries.js";
import { zone } from "../store/profile.js";
import { project, projects } from "../store/projects.js";
import { updateTask } from "../store/tasks.js";
import { correct, discard, elapsed, recentTasks, start, stop, timer } from "../store/timer.js";
import { t } from "../text/index.js";
import { formatClock } from "../time/durations.js";
import { dayOf, instantOf, timeOf } from "../time/zones.js";
import { attempt, notifyWithUndo } from "./notice.js";
import { tagsField } from "./tags_field.js";
import { taskPicker } from "./task_picker.js";

/** Create the region "Timer". */
export function timerBar() {
  const title = signal("");
  const projectId = signal("");
  const tags = signal(/** @type {string[]} */ ([]));

  effect(() => {
    title.value = timer.value?.title ?? "";
    projectId.value = timer.value?.projectId ?? "";
    tags.value = timer.value?.tags ?? [];
  });

  /** @param {import("./task_picker.js").Choice} choice */
  async function choose(choice) {
    if (choice.id && choice.id === timer.peek()?.taskId) return;
    const isNew = !choice.id;
    const isSwitch = timer.peek() !== null;
    await attempt(() =>
      start({
        ...(choice.id ? { taskId: choice.id } : {}),
        title: choice.title,
        projectId: isNew && !isSwitch ? projectId.peek() || null : choice.projectId,
        tags: isSwitch ? [] : tags.peek(),
      }),
    );
  }

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (timer.peek()) await attempt(stop);
    else if (title.peek().trim()) await picker.choose();
    else picker.focus();
  }

  /** @param {string} id */
  async function changeProject(id) {
    projectId.value = id;
    const running = timer.peek();
    if (!running?.taskId) return;
    const task = { id: running.taskId, title: running.title };
    await attempt(() => updateTask(task, { project_id: id || null }));
  }

  /** @param {string[]} next */
  async function changeTags(next) {
    tags.value = next;
    if (timer.peek()) await attempt(() => correct({ tags: next }));
  }

  const picker = taskPicker({ label: t("timer.what"), text: title, onchoose: choose });

  return h(
    "section",
    { class: () => (timer.value ? "timer-bar is-running" : "timer-bar"), "aria-label": t("timer.region") },
    h(
      "form",
      { class: "timer-form", onsubmit },
      picker.element,
      projectSelect(projectId, changeProject),
      tagsField({ label: t("timer.tags"), tags, onchange: changeTags }),
      startField(),
      h("div", { class: "clock", role: "timer", "aria-label": t("timer.clock") }, () => formatClock(elapsed.value)),
      h("button", { class: () => (timer.value ? "stop" : "primary"), type: "submit" }, () =>
        t(timer.value ? "timer.stop" : "timer.start"),
      ),
      () =>
        timer.value &&
        h(
          "button",
          { type: "button", class: "quiet icon-button", "aria-label": t("timer.discard"), onclick: discardTimer },
          "×",
        ),
    ),
    recentList(),
  );
}

/**
 * @param {import("../lib/signal.js").Signal<string>} projectId
 * @param {(id: string) => void} onchange
 */
function projectSelect(projectId, onchange) {
  return h(
    "select",
    {
      class: "project-select",
      "aria-label": t("timer.project"),
      onchange: (/** @type {Event} */ event) => onchange(/** @type {HTMLSelectElement} */ (event.target).value),
    },
    h("option", { value: "", selected: () => projectId.value === "" }, t("common.no_project")),
    () =>
      projects.value.map((each) =>
        h("option", { value: each.id, selected: () => projectId.value === each.id }, each.name),
      ),
  );
}

/** The start of the running timer, editable. A time later than now means yesterday. */
function startField() {
  /** @param {Event} event */
  async function onchange(event) {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    if (!value) return;
    const today = dayOf(second.peek(), zone.peek());
    const instant = instantOf(today, value, zone.peek());
    const yesterday = instantOf(dayOf(second.peek() - 86_400_000, zone.peek()), value, zone.peek());
    await attempt(() => correct({ startedAt: instant > second.peek() ? yesterday : instant }));
  }
  return () =>
    timer.value &&
    h("input", {
      type: "time",
      class: "start-field",
      "aria-label": t("timer.started_at"),
      value: timeOf(timer.value.startedAt, zone.value),
      onchange,
    });
}

async function discardTimer() {
  await attempt(async () => {
    const title = timer.peek()?.title ?? "";
    const entryId = await discard();
    if (entryId) notifyWithUndo(t("timer.discarded"), () => restoreEntry(entryId, title));
  });
}

const MAX_RECENT = 5;

/** The tasks that were tracked last, one click away. */
function recentList() {
  const shown = () => recentTasks.value.filter((task) => task.id !== timer.value?.taskId).slice(0, MAX_RECENT);
  return h(
    "div",
    { class: "recent", hidden: () => shown().length === 0 },
    each(h("ul", { class: "recent-list", "aria-label": t("timer.recent") }), shown, (task) => task.id, recentItem),
  );
}

/** @param {import("../lib/signal.js").ReadSignal<import("../types").RecentTask>} task */
function recentItem(task) {
  const run = () =>
    attempt(() => start({ taskId: task.peek().id, title: task.peek().title, projectId: task.peek().project_id }));
  return h(
    "li",
    null,
    h(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-label": () => t("timer.continue", { title: task.value.title }),
        onclick: run,
      },
      () => projectDot(task.value.project_id),
      h("span", null, () => task.value.title),
    ),
  );
}

/**
 * Create the dot in a project's colour.
 *
 * @param {string | null} id
 */
export function projectDot(id) {
  const color = project(id)?.color;
  return h("span", {
    class: "dot",
    "aria-hidden": "true",
    ref: (/** @type {HTMLElement} */ dot) => color && dot.style.setProperty("background", color),
  });
}

/** Show the running time in the title of the window. Call once. */
export function followTitle() {
  effect(() => {
    const running = timer.value;
    document.title = running ? `${formatClock(elapsed.value)} · ${running.title}` : t("app.name");
  });
}
