// The page of a signed-in user. A visitor who signs in does not load it before.

import { followShortcuts } from "./parts/commands/shortcuts.js";
import { describeError, notify } from "./parts/notice.js";
import { shell } from "./parts/shell.js";
import { followTitle } from "./parts/timer/timer_bar.js";
import { sendWaiting } from "./store/outgoing.js";
import { watchForGaps } from "./store/presence/idle.js";
import { followChanges } from "./store/presence/live.js";
import { untilLoaded } from "./store/presence/reachable.js";
import { followVersion } from "./store/presence/version.js";
import { loadProfile } from "./store/profile.js";
import { followProjects } from "./store/projects.js";
import { followTimer } from "./store/timer.js";
import { currentView, viewName } from "./view.js";

/** Create the page of a signed-in user, and load what every view needs. */
export function signedIn() {
  async function loadOwn() {
    await untilLoaded(loadProfile);
    await sendWaiting();
    await followTimer();
  }
  Promise.all([loadOwn(), followProjects()]).catch((error) => notify(describeError(error), { isError: true }));
  followChanges();
  followShortcuts();
  watchForGaps();
  followTitle();
  followVersion();
  // With a service worker, the browser has stored all views and dialogs.
  if (!navigator.serviceWorker) import("./preload.js").then(({ loadInAdvance }) => loadInAdvance()).catch(() => {});
  return shell(() => viewName.value, currentView);
}
