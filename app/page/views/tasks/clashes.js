// What others changed while a person edited the same fields of a task.

import { h } from "../../lib/dom.js";
import { zone } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDateTime } from "../../time/format.js";

/**
 * @typedef {import("./task_fields.js").Fields} Fields
 * @typedef {{name: keyof Fields, theirs: Fields}} Clash
 */

/**
 * List the fields with the stored values. "Save" stores the person's own values.
 *
 * @param {import("../../lib/signal.js").Signal<Clash[]>} clashes
 * @param {(name: keyof Fields, theirs: Fields) => void} take
 */
export function clashList(clashes, take) {
  /** @param {Clash} clash */
  function item(clash) {
    function onclick() {
      take(clash.name, clash.theirs);
      clashes.value = clashes.peek().filter((each) => each !== clash);
    }
    return h(
      "li",
      null,
      h("span", null, `${t(`tasks.field_${clash.name}`)}: `, h("bdi", null, textOf(clash.name, clash.theirs))),
      h(
        "button",
        { type: "button", onclick, "aria-label": t("tasks.take_theirs_of", { field: t(`tasks.field_${clash.name}`) }) },
        t("tasks.take_theirs"),
      ),
    );
  }
  return h(
    "div",
    { role: "alert" },
    () =>
      clashes.value.length > 0 &&
      h(
        "div",
        { class: "clashes" },
        h("p", null, h("strong", null, t("tasks.clash")), " ", t("tasks.clash_hint")),
        h("ul", null, clashes.value.map(item)),
      ),
  );
}

/**
 * @param {keyof Fields} name
 * @param {Fields} fields
 */
function textOf(name, fields) {
  if (name === "status") return t(`tasks.status_${fields.status}`);
  if (name === "project_id") return project(fields.project_id)?.name ?? t("common.no_project");
  if (name === "due_at" && fields.due_at) return formatDateTime(Date.parse(fields.due_at), zone.peek());
  if (name === "estimate_seconds" && fields.estimate_seconds !== null) return formatHours(fields.estimate_seconds);
  if (name === "billable") return t(fields.billable ? "common.yes" : "common.no");
  if (name === "tags") return fields.tags.join(", ") || t("common.none");
  return String(fields[name] ?? t("common.none"));
}
