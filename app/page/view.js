// The view of the address.

import { h } from "./lib/dom.js";
import { computed, signal } from "./lib/signal.js";
import { missingView } from "./parts/status/new_version.js";
import { route } from "./route.js";
import { checkVersion } from "./store/presence/version.js";

/** The views, each a module that defines the element of the same name: "today" is <tt-today>. */
const VIEWS = {
  today: () => import("./views/today/today.js"),
  week: () => import("./views/week/week.js"),
  timesheet: () => import("./views/timesheet/timesheet.js"),
  tasks: () => import("./views/tasks/tasks.js"),
  projects: () => import("./views/projects/projects.js"),
  reports: () => import("./views/reports/reports.js"),
  import: () => import("./views/import/import.js"),
  settings: () => import("./views/settings/settings.js"),
  shared: () => import("./views/shared.js"),
};

/** @typedef {keyof typeof VIEWS} ViewName */

/** The view of the address; an unknown one is that of today. */
export const viewName = computed(
  () => /** @type {ViewName} */ (route.value.name in VIEWS ? route.value.name : "today"),
);

/** Create the element of the current view as soon as its module is loaded. */
export function currentView() {
  const name = viewName.value;
  const state = signal(/** @type {"loading" | "loaded" | "missing"} */ ("loading"));
  async function load() {
    try {
      await VIEWS[name]();
      state.value = "loaded";
    } catch {
      // An upgraded service has no files of the version that is open.
      await checkVersion();
      state.value = "missing";
    }
  }
  void load();
  return h("div", { class: "view" }, () => {
    if (state.value === "loaded") return h(`tt-${name}`);
    return state.value === "missing" && missingView(() => void load());
  });
}
