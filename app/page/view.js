// The view of the address.

import { h } from "./lib/dom.js";
import { computed } from "./lib/signal.js";
import { whenLoaded } from "./parts/status/new_version.js";
import { route } from "./route.js";

/**
 * The views, each with a module that defines the element of the same name: "today" is <tt-today>. Style sheets that are
 * not needed on the first screen are loaded with their views.
 *
 * @type {Record<ViewName, {load: () => Promise<unknown>, styles?: string[]}>}
 */
const VIEWS = {
  today: { load: () => import("./views/today/today.js") },
  week: { load: () => import("./views/week/week.js"), styles: ["week"] },
  timesheet: { load: () => import("./views/timesheet/timesheet.js"), styles: ["week", "timesheet"] },
  tasks: { load: () => import("./views/tasks/tasks.js"), styles: ["tasks"] },
  projects: { load: () => import("./views/projects/projects.js"), styles: ["tasks", "projects"] },
  reports: { load: () => import("./views/reports/reports.js"), styles: ["reports"] },
  import: { load: () => import("./views/import/import.js"), styles: ["import"] },
  settings: { load: () => import("./views/settings/settings.js"), styles: ["settings"] },
  shared: { load: () => import("./views/shared.js"), styles: ["reports"] },
};

/** @typedef {"today" | "week" | "timesheet" | "tasks" | "projects" | "reports" | "import" | "settings" | "shared"} ViewName */

/** The view of the address; an unknown one is that of today. */
export const viewName = computed(
  () => /** @type {ViewName} */ (route.value.name in VIEWS ? route.value.name : "today"),
);

export const VIEW_NAMES = /** @type {ViewName[]} */ (Object.keys(VIEWS));

/** Create the element of the current view as soon as its module and its style sheets are loaded. */
export function currentView() {
  const name = viewName.value;
  async function load() {
    await loadView(name);
    return () => h(`tt-${name}`);
  }
  return h("div", { class: "view" }, whenLoaded(load));
}

/**
 * Load the module and the style sheets of a view, unless they are loaded.
 *
 * @param {ViewName} name
 */
export async function loadView(name) {
  const { load, styles = [] } = VIEWS[name];
  await Promise.all([load(), ...styles.map(loadStyles)]);
}

/** @type {Map<string, Promise<void>>} */
const loadedStyles = new Map();

/**
 * Load a style sheet, unless it is loaded.
 *
 * @param {string} name
 * @returns {Promise<void>}
 */
function loadStyles(name) {
  const loading = loadedStyles.get(name) ?? addStyles(name);
  loadedStyles.set(name, loading);
  return loading;
}

/** @param {string} name */
async function addStyles(name) {
  const href = new URL(`css/${name}.css`, import.meta.url).href;
  const link = h("link", { rel: "stylesheet", href });
  try {
    await new Promise((resolve, reject) => {
      link.addEventListener("load", resolve);
      link.addEventListener("error", reject);
      document.head.append(link);
    });
  } catch (error) {
    link.remove();
    loadedStyles.delete(name);
    throw error;
  }
}
