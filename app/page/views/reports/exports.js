// The entries of the report as a file.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { attempt } from "../../parts/notice.js";
import { saveFile } from "../../parts/save.js";
import { exportEntries } from "../../store/reports.js";
import { t } from "../../text/index.js";
import { filterQuery } from "./state.js";

const FORMATS = /** @type {const} */ (["csv", "xlsx", "ics"]);

/**
 * Create one button for each format.
 *
 * @param {() => {state: import("./state.js").State, range: import("./state.js").Range}} current
 */
export function exportButtons(current) {
  const busy = signal("");
  /** @param {(typeof FORMATS)[number]} format */
  async function save(format) {
    const { state, range } = current();
    busy.value = format;
    await attempt(async () => saveFile(await exportEntries(format, filterQuery(state, range))));
    busy.value = "";
  }
  return h(
    "div",
    { class: "export-buttons", role: "group", "aria-label": t("reports.export") },
    h("span", { class: "label", "aria-hidden": "true" }, t("reports.export")),
    FORMATS.map((format) =>
      h(
        "button",
        {
          type: "button",
          "aria-label": t("reports.export_as", { format: format.toUpperCase() }),
          "aria-busy": () => String(busy.value === format),
          onclick: () => busy.peek() || void save(format),
        },
        format.toUpperCase(),
      ),
    ),
  );
}
