// What can be done from the keyboard: the commands of the palette and of the shortcuts.

import { signOut } from "../../api.js";
import { updateProfile } from "../../store/account.js";
import { now } from "../../store/clock.js";
import { preferences } from "../../store/profile.js";
import { recentTasks, stop, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { openEntryDialog } from "../dialog.js";
import { attempt } from "../notice.js";
import { discardTimer, startWork } from "../timer/start_work.js";

/**
 * @typedef {object} Command
 * @property {string} id
 * @property {string} name As people read it.
 * @property {string[]} keys The keys that run it one after the other, for example ["g", "p"].
 * @property {() => unknown} run
 */

const VIEW_KEYS = {
  today: ["t"],
  week: ["w"],
  timesheet: ["g", "h"],
  tasks: ["g", "t"],
  projects: ["g", "p"],
  reports: ["g", "r"],
  import: ["g", "i"],
  settings: ["g", "s"],
};

const FOCUS_PATIENCE_MS = 2000;
const HALF_HOUR_MS = 1_800_000;

/** Return the commands that have a shortcut. */
export function commands() {
  /** @type {Command[]} */
  const actions = [
    { id: "start", name: t("command.start"), keys: ["s"], run: () => focusFirst(".timer-bar [role='combobox']") },
    { id: "stop", name: t("command.stop"), keys: ["x"], run: () => attempt(stop) },
    { id: "new_entry", name: t("command.new_entry"), keys: ["n"], run: newEntry },
    { id: "search", name: t("command.search"), keys: ["/"], run: search },
  ];
  const views = Object.entries(VIEW_KEYS).map(([name, keys]) => ({
    id: `view_${name}`,
    name: t("command.open", { view: t(`nav.${name}`) }),
    keys,
    run: () => {
      location.hash = `#/${name}`;
    },
  }));
  return [...actions, ...views];
}

/** Return the commands of the palette: those with shortcuts, and some more. */
export function paletteCommands() {
  const { theme } = document.documentElement.dataset;
  const isDark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  /** @type {Command[]} */
  const more = [
    ...recentTasks.peek().map((task) => ({
      id: `task_${task.id}`,
      name: t("command.start_task", { title: task.title }),
      keys: [],
      run: () => startWork({ taskId: task.id, title: task.title, projectId: task.project_id }),
    })),
    {
      id: "theme",
      name: t(isDark ? "command.light" : "command.dark"),
      keys: [],
      run: () => attempt(() => updateProfile({ preferences: { theme: isDark ? "light" : "dark" } })),
    },
    { id: "sign_out", name: t("nav.sign_out"), keys: [], run: () => attempt(signOut) },
  ];
  if (timer.peek()) more.unshift({ id: "discard", name: t("timer.discard"), keys: [], run: discardTimer });
  return [...commands(), ...more];
}

/** Whether shortcuts of single keys are on. Before the preferences are loaded, they are off. */
export function hasShortcuts() {
  return preferences.peek().shortcuts === true;
}

function newEntry() {
  const recent = recentTasks.peek()[0];
  return openEntryDialog({
    entry: null,
    task: recent ? { id: recent.id, title: recent.title } : null,
    startedAt: now() - HALF_HOUR_MS,
    endedAt: now(),
    note: null,
    tags: [],
  });
}

async function search() {
  location.hash = "#/tasks";
  await focusFirst("main input[type='search']");
}

/**
 * Focus an element as soon as its view is there.
 *
 * @param {string} selector
 */
async function focusFirst(selector) {
  const deadline = performance.now() + FOCUS_PATIENCE_MS;
  while (performance.now() < deadline) {
    const element = document.querySelector(selector);
    if (element instanceof HTMLElement) {
      element.focus();
      return;
    }
    await new Promise(requestAnimationFrame);
  }
}
