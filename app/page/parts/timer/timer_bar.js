// The timer, on every view: what runs, since when, start and stop.

import { h } from "../../lib/dom.js";
import { effect, signal } from "../../lib/signal.js";
import { project, projects } from "../../store/projects.js";
import { changeProject, correct, elapsed, stop, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatClock } from "../../time/durations.js";
import { icon, projectDot } from "../icons.js";
import { attempt } from "../notice.js";
import { tagsField } from "../tags_field.js";
import { taskPicker } from "../task_picker.js";
import { recentTaskList } from "./recent_tasks.js";
import { startTime } from "./start_time.js";
import { discardTimer, startWork } from "./start_work.js";

const DETAILS_ID = "timer-details";

/** Create the region "Timer". */
export function timerBar() {
  const draft = createDraft();
  const isOpen = signal(false);
  const picker = taskPicker({
    label: t("timer.what"),
    text: draft.title,
    current: () => timer.value?.title ?? "",
    onchoose: (choice, at) => void choose(draft, choice, at),
    onleave: draft.restore,
  });
  draft.followTimer(() => document.activeElement === picker.input);

  /** @param {Event} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (timer.peek()) await attempt(stop);
    else if (draft.title.peek().trim()) await picker.choose();
    else picker.focus();
  }

  return h(
    "section",
    {
      class: () => `timer-bar${timer.value ? " is-running" : ""}${isOpen.value ? " is-open" : ""}`,
      "aria-label": t("timer.region"),
    },
    h(
      "form",
      { class: "timer-form", onsubmit, onkeydown: keepForm },
      picker.element,
      h(
        "div",
        { class: "timer-details", id: DETAILS_ID },
        projectField(draft),
        tagsField({ label: t("timer.tags"), tags: draft.tags, onchange: (tags) => void changeTags(draft, tags) }),
        startTime(),
      ),
      h("div", { class: "clock", role: "timer", "aria-label": t("timer.clock") }, () => formatClock(elapsed.value)),
      h("button", { class: () => (timer.value ? "stop" : "primary"), type: "submit" }, () =>
        t(timer.value ? "timer.stop" : "timer.start"),
      ),
      discardButton(),
      detailsButton(isOpen),
    ),
    recentTaskList(),
  );
}

/** @typedef {ReturnType<typeof createDraft>} Draft */

/** What the fields hold: the running timer, or what is to be started. */
function createDraft() {
  const title = signal("");
  const projectId = signal("");
  const tags = signal(/** @type {string[]} */ ([]));
  let shown = "";

  /** Show the running timer again instead of what was typed and not chosen. */
  function restore() {
    const running = timer.peek();
    if (running) title.value = running.title;
  }

  /** @param {() => boolean} isTyping */
  function followTimer(isTyping) {
    effect(() => {
      const running = timer.value;
      const isOther = (running?.title ?? "") !== shown;
      const isTyped = isTyping() && title.peek().trim() !== shown;
      if (isOther && !isTyped) title.value = running?.title ?? "";
      if (running || isOther) {
        projectId.value = running?.projectId ?? "";
        tags.value = running?.tags ?? [];
      }
      shown = running?.title ?? "";
    });
  }
  return { title, projectId, tags, restore, followTimer };
}

/**
 * @param {Draft} draft
 * @param {import("../task_picker.js").Choice} choice
 * @param {number} at
 */
async function choose(draft, choice, at) {
  const running = timer.peek();
  if (running && (choice.id ? choice.id === running.taskId : choice.title === running.title)) return;
  const typed = { projectId: draft.projectId.peek(), tags: draft.tags.peek() };
  const work = {
    ...(choice.id ? { taskId: choice.id } : {}),
    title: choice.title,
    projectId: choice.id || running ? choice.projectId : typed.projectId || null,
    tags: running ? [] : typed.tags,
  };
  const isStarted = await startWork(work, { at });
  if (isStarted || timer.peek()) return;
  // What was typed meanwhile stays.
  if (draft.title.peek() === "") draft.title.value = choice.title;
  draft.projectId.value = typed.projectId;
  draft.tags.value = typed.tags;
}

/**
 * Enter in a field stores it. Only the combobox and the button start and stop.
 *
 * @param {KeyboardEvent} event
 */
function keepForm(event) {
  if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
  if (event.defaultPrevented) return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change"));
}

/**
 * @param {Draft} draft
 * @param {string[]} tags
 */
async function changeTags(draft, tags) {
  if (tags.join() === draft.tags.peek().join()) return;
  draft.tags.value = tags;
  if (timer.peek()) await attempt(() => correct({ tags }));
}

/** @param {Draft} draft */
function projectField({ projectId }) {
  /** @param {Event} event */
  async function onchange(event) {
    const id = /** @type {HTMLSelectElement} */ (event.target).value;
    projectId.value = id;
    await attempt(() => changeProject(id || null));
  }
  /** @param {string} id @param {string} text */
  const option = (id, text) => h("option", { value: id, selected: () => projectId.value === id }, text);
  const archived = () => projectId.value && !project(projectId.value) && option(projectId.value, t("timer.archived"));
  return h(
    "span",
    { class: "project-field" },
    () => projectDot(projectId.value || null),
    h(
      "select",
      { class: "project-select", "aria-label": t("timer.project"), onchange },
      option("", t("common.no_project")),
      archived,
      () => projects.value.map(({ id, name }) => option(id, name)),
    ),
  );
}

/**
 * Create the button that shows project, tags and start. It is there on narrow screens only: others show them always.
 *
 * @param {import("../../lib/signal.js").Signal<boolean>} isOpen
 */
function detailsButton(isOpen) {
  return h(
    "button",
    {
      type: "button",
      class: "quiet icon-button timer-details-button",
      "aria-label": t("timer.details"),
      "aria-expanded": () => String(isOpen.value),
      "aria-controls": DETAILS_ID,
      onclick: () => {
        isOpen.value = !isOpen.peek();
      },
    },
    icon("expand"),
  );
}

function discardButton() {
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet icon-button timer-discard",
      "aria-label": t("timer.discard"),
      title: t("timer.discard"),
      onclick: discardTimer,
    },
    icon("delete"),
  );
  effect(() => {
    // The button before it is always there.
    const start = /** @type {HTMLElement} */ (button.previousElementSibling);
    if (!timer.value && document.activeElement === button) start.focus();
    button.hidden = !timer.value;
  });
  return button;
}

/** Show the running time in the title of the window. Call once. */
export function followTitle() {
  effect(() => {
    const running = timer.value;
    document.title = running ? `${formatClock(elapsed.value)} · ${running.title}` : t("app.name");
  });
}
