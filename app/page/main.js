// The entry point: the session, the language and theme, and which view is shown.

import { resumeSession, session } from "./api.js";
import { append, h } from "./lib/dom.js";
import { computed, effect, signal, untracked } from "./lib/signal.js";
import { followShortcuts } from "./parts/commands/shortcuts.js";
import { attempt } from "./parts/notice.js";
import { forgetLastSession, rememberSession } from "./parts/session_end.js";
import { shell } from "./parts/shell.js";
import { missingView, newVersion } from "./parts/status/new_version.js";
import { followTitle } from "./parts/timer/timer_bar.js";
import { route } from "./route.js";
import { registerServiceWorker } from "./service_worker.js";
import { forgetSnapshots } from "./store/offline/snapshots.js";
import { sendWaiting } from "./store/outgoing.js";
import { watchForGaps } from "./store/presence/idle.js";
import { followChanges } from "./store/presence/live.js";
import { checkVersion, followVersion } from "./store/presence/version.js";
import { loadProfile, preferences, profile } from "./store/profile.js";
import { followProjects } from "./store/projects.js";
import { followTimer } from "./store/timer.js";
import { language, setLanguage } from "./text/index.js";
import "./views/sign_in.js";

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
const viewName = computed(() => /** @type {ViewName} */ (route.value.name in VIEWS ? route.value.name : "today"));

/** Create the element of the current view as soon as its module is loaded. */
function currentView() {
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

/** Create the page of a signed-in user, and load what every view needs. */
function signedIn() {
  void attempt(async () => {
    await loadProfile();
    await sendWaiting();
    await Promise.all([followTimer(), followProjects()]);
  });
  followChanges();
  followShortcuts();
  watchForGaps();
  followTitle();
  followVersion();
  return shell(() => viewName.value, currentView);
}

/** Follow the preferences for language and theme. */
function followPreferences() {
  effect(() => {
    void setLanguage(preferences.value.locale);
  });
  effect(() => {
    document.documentElement.dataset.theme = preferences.value.theme ?? "system";
  });
}

/** @type {Record<string, () => import("./lib/dom.js").Child>} */
const FRAMES = {
  shared: () => [newVersion(), currentView()],
  "signed-in": signedIn,
  "signed-out": () => h("tt-sign-in"),
  expired: () => null,
  unknown: () => null,
};

function followSession() {
  let wasSignedIn = false;
  effect(() => {
    const state = session.value;
    if (state === "expired") rememberSession(profile.peek()?.email ?? "");
    else if (state === "signed-in" || wasSignedIn) forgetLastSession();
    // A new document forgets all that belongs to the user who has signed out.
    if (wasSignedIn && state !== "signed-in") void forgetSnapshots().finally(() => location.reload());
    wasSignedIn = state === "signed-in";
  });
}

const frame = computed(() => (viewName.value === "shared" ? "shared" : session.value));

registerServiceWorker();
followPreferences();
followSession();
append(document.body, () => {
  void language.value;
  const create = FRAMES[frame.value];
  return create && untracked(create);
});
if (frame.peek() !== "shared") resumeSession().catch(() => {});
