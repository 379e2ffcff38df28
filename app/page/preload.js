// Views and dialogs are loaded when they are opened. Without a service worker, what was never opened would be missing
// while the service is away: it is loaded in advance.

import { loadView, VIEW_NAMES, viewName } from "./view.js";

/** Modules that views and parts load when they need them. */
const LATER = [
  () => import("./parts/status/waiting_list.js"),
  () => import("./parts/entry_dialog.js"),
  () => import("./views/today/split_dialog.js"),
  () => import("./views/today/review/review_list.js"),
  () => import("./views/today/review/review_item.js"),
  () => import("./views/today/review/suggestions.js"),
  () => import("./parts/commands/palette.js"),
];

/** Load all views and dialogs one after the other, when the first view is there and the browser has time. */
export async function loadInAdvance() {
  await loadView(viewName.peek());
  await idle();
  for (const name of VIEW_NAMES) await loadView(name);
  for (const load of LATER) await load();
}

/** @returns {Promise<unknown>} */
function idle() {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(resolve);
    else setTimeout(resolve, 1000);
  });
}
