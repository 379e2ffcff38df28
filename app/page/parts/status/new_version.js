// The offer to load a new version of the page, and what stands in place of a view that cannot be loaded.

import { h } from "../../lib/dom.js";
import { isOutdated } from "../../store/presence/version.js";
import { t } from "../../text/index.js";

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

/**
 * Create what stands in place of a view whose modules cannot be loaded.
 *
 * @param {() => void} retry
 */
export function missingView(retry) {
  return h("div", { class: "panel empty" }, () =>
    isOutdated.value
      ? h("p", null, t("version.view_needs_reload"))
      : [
          h("p", null, t("version.view_not_loaded")),
          h("button", { type: "button", onclick: retry }, t("common.retry")),
        ],
  );
}
