// The page of a signed-in user. A visitor who signs in does not load it before.

import { describeError, notify } from "./parts/notice.js";
import { shell } from "./parts/shell.js";
import { whenLoaded } from "./parts/status/new_version.js";
import { followTitle } from "./parts/timer/timer_bar.js";
import { sendWaiting } from "./store/outgoing.js";
import { untilLoaded } from "./store/presence/reachable.js";
import { followVersion } from "./store/presence/version.js";
import { loadProfile } from "./store/profile.js";
import { followProjects } from "./store/projects.js";
import { followTimer } from "./store/timer.js";
import { currentView, loadView, viewName } from "./view.js";

/** Create the page of a signed-in user, and load what every view needs. */
export function signedIn() {
  async function loadOwn() {
    await untilLoaded(loadProfile);
    await sendWaiting();
    await followTimer();
  }
  Promise.all([loadOwn(), followProjects()]).catch((error) => notify(describeError(error), { isError: true }));
  followTitle();
  followVersion();
  // With a service worker, the browser has stored all views and dialogs.
  if (!navigator.serviceWorker) import("./preload.js").then(({ loadInAdvance }) => loadInAdvance()).catch(() => {});
  return shell(
    () => viewName.value,
    currentView,
    whenLoaded(loadBackground, () => null),
  );
}

/** Load what runs behind the views. The keys that are pressed meanwhile count, too. */
async function loadBackground() {
  const earlyKeys = /** @type {KeyboardEvent[]} */ ([]);
  const note = (/** @type {KeyboardEvent} */ event) => earlyKeys.push(event);
  addEventListener("keydown", note);
  try {
    await loadView(viewName.peek());
    const { background } = await import("./background.js");
    return () => background(earlyKeys);
  } finally {
    removeEventListener("keydown", note);
  }
}
