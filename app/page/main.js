// The entry point: the session, the language and theme, and what is shown in which state of the session.

import { hasStoredSession, resumeSession, session } from "./api.js";
import { append, h } from "./lib/dom.js";
import { computed, effect, untracked } from "./lib/signal.js";
import { missingView, newVersion, whenLoaded } from "./parts/status/new_version.js";
import { forgetLastSession, rememberSession } from "./parts/status/session_end.js";
import { registerServiceWorker } from "./service_worker.js";
import { forgetSnapshots } from "./store/offline/snapshots.js";
import { preferences, profile } from "./store/profile.js";
import { language, setLanguage } from "./text/index.js";
import { currentView, viewName } from "./view.js";
import "./views/sign_in.js";

/**
 * Load the page of a signed-in user. Its modules are requested at once: the browser would find them level by level.
 */
function loadSignedIn() {
  const names = document.querySelector('meta[name="signed-in"]')?.getAttribute("content")?.split(" ") ?? [];
  for (const name of names) {
    const href = new URL(name, import.meta.url).href;
    document.head.append(h("link", { rel: "modulepreload", href }));
  }
  return import("./signed_in.js");
}

/** @type {ReturnType<typeof loadSignedIn> | null} */
let loading = null;

/** Load it before it is needed. */
function preloadSignedIn() {
  loading ??= loadSignedIn();
  // A failure is reported when the page is needed.
  loading.catch(() => {});
}

/** Create the page of a signed-in user as soon as its modules and the user are loaded. */
function signedIn() {
  async function load() {
    try {
      loading ??= loadSignedIn();
      const { loadUser, signedIn } = await loading;
      await loadUser();
      return signedIn;
    } catch (error) {
      loading = null;
      throw error;
    }
  }
  return whenLoaded(load, (retry) => [newVersion(), missingView(retry)]);
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
if (hasStoredSession()) preloadSignedIn();
else addEventListener("input", preloadSignedIn, { once: true });
followPreferences();
followSession();
append(document.body, () => {
  void language.value;
  const create = FRAMES[frame.value];
  return create && untracked(create);
});
if (frame.peek() !== "shared") resumeSession().catch(() => {});
