// The offer to load a new version of the page, and what stands in place of a view that cannot be loaded.

import { h } from "../../lib/dom.js";
import { onCleanup, signal, untracked } from "../../lib/signal.js";
import { RETRY_MS } from "../../store/presence/reachable.js";
import { checkVersion, isOutdated } from "../../store/presence/version.js";
import { t } from "../../text/index.js";
import { retryButton } from "../notice.js";

/** Create the line that offers the new version when there is one. */
export function newVersion() {
  return h(
    "div",
    { class: "new-version", role: "status" },
    () =>
      isOutdated.value && [
        h("span", null, t("version.available")),
        h("button", { type: "button", class: "primary", onclick: () => location.reload() }, t("version.reload")),
      ],
  );
}

/** @typedef {import("../../lib/dom.js").Child} Child */

/**
 * Load modules, and return the child that shows what they create. If they cannot be loaded, it tries again from time to
 * time and offers to try at once. An upgraded service has no files of the version that is open.
 *
 * @param {() => Promise<() => Child>} load Returns what creates the child.
 * @param {(retry: () => void) => Child} [missing] Creates what is shown without the modules.
 * @returns {() => Child}
 */
export function whenLoaded(load, missing = missingView) {
  const create = signal(/** @type {(() => Child) | null} */ (null));
  const isMissing = signal(false);
  let timeout = 0;
  let isLeft = false;
  onCleanup(() => {
    isLeft = true;
    clearTimeout(timeout);
  });
  async function tryToLoad() {
    clearTimeout(timeout);
    try {
      create.value = await load();
    } catch {
      await checkVersion();
      isMissing.value = true;
      if (!isOutdated.peek() && !isLeft) timeout = window.setTimeout(tryToLoad, RETRY_MS);
    }
  }
  void tryToLoad();
  return () => {
    if (create.value) return untracked(create.value);
    return isMissing.value && missing(() => void tryToLoad());
  };
}

/**
 * Create what stands in place of a view whose modules cannot be loaded.
 *
 * @param {() => void} retry
 */
export function missingView(retry) {
  return h("div", { class: "panel empty" }, () =>
    isOutdated.value
      ? h("p", null, t("version.view_needs_reload"))
      : [h("p", null, t("version.view_not_loaded")), retryButton(retry)],
  );
}
