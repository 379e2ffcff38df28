// The view of the address.

import { h } from "./lib/dom.js";
import { computed } from "./lib/signal.js";
import { whenLoaded } from "./parts/status/new_version.js";
import { route } from "./route.js";

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
  async function load() {
    await VIEWS[name]();
    return () => h(`tt-${name}`);
  }
  return h("div", { class: "view" }, whenLoaded(load));
}
