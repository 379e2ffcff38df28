// The page of a signed-in user. A visitor who signs in does not load it before.

import { isReachable } from "./api.js";
import { busyUntil } from "./busy.js";
import { effect } from "./lib/signal.js";
import { describeError, notify } from "./parts/notice.js";
import { shell } from "./parts/shell.js";
import { whenLoaded } from "./parts/status/new_version.js";
import { followTitle } from "./parts/timer/timer_bar.js";
import { sendWaiting } from "./store/outgoing.js";
import { untilLoaded } from "./store/presence/reachable.js";
import { followVersion } from "./store/presence/version.js";
import { loadProfile, preferences, profile } from "./store/profile.js";
import { followProjects } from "./store/projects.js";
import { followTimer } from "./store/timer.js";
import { setLanguage } from "./text/index.js";
import { currentView, loadView, viewName } from "./view.js";

/** @type {Promise<void> | null} */
let userKnown = null;

/**
 * Load the user, and then what belongs to the user, once. Wait until language and time zone are known, or cannot be known
 * because the service is away or busy: the page would be created again when they change, and lose the focus and what was typed.
 */
export function loadUser() {
  async function load() {
    // The view is loaded meanwhile. If that fails, it is tried again where the view is shown.
    loadView(viewName.peek()).catch(() => {});
    const known = until(() => profile.value || !isReachable.value || busyUntil.value);
    await Promise.race([loadOwn().catch(showError), known]);
    // Without its texts, the page has the language of the browser.
    await setLanguage(preferences.peek().locale).catch(() => {});
  }
  userKnown ??= load();
  return userKnown;
}

async function loadOwn() {
  const loading = untilLoaded(loadProfile);
  // The last answer is enough for these.
  await Promise.race([loading, until(() => profile.value)]);
  await Promise.all([loading, sendWaiting().then(followTimer)]);
}

/** @param {() => unknown} condition Reads signals. */
function until(condition) {
  return new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
    effect(() => {
      if (condition()) resolve();
    });
  });
}

/** @param {unknown} error */
function showError(error) {
  notify(describeError(error), { isError: true });
}

/** Create the page of a signed-in user, and load what every view needs. */
export function signedIn() {
  followProjects().catch(showError);
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
