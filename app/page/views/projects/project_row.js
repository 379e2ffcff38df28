// A project in the list.

import { h } from "../../lib/dom.js";
import { confirm } from "../../parts/dialog.js";
import { icon } from "../../parts/icons.js";
import { attempt, notify, notifyWithUndo } from "../../parts/notice.js";
import { moveFocus } from "../../parts/submission.js";
import { archiveProject, deleteProject } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatMoney } from "../../time/money.js";
import { editProject } from "./project_dialog.js";

/** @typedef {import("../../types").Project} Project */

/**
 * @param {object} options
 * @param {import("../../lib/signal.js").ReadSignal<Project>} options.project
 * @param {() => number} options.seconds Tracked in the last 30 days.
 * @param {HTMLElement} options.heading
 */
export function projectRow({ project, seconds, heading }) {
  const name = () => project.value.name;
  const rate = () => project.value.hourly_rate;
  return h("li", { class: "project" }, [
    () => dot(project.value.color),
    h(
      "button",
      {
        type: "button",
        class: "task-name",
        "aria-label": () => t("tasks.edit_of", { title: name() }),
        title: name,
        onclick: () => void attempt(() => editProject(project.peek())),
      },
      h("bdi", null, name),
    ),
    h("span", { class: "project-billable muted" }, () => (project.value.billable ? t("projects.billable") : "")),
    h("span", { class: "project-rate number" }, () => {
      const current = rate();
      return current ? t("projects.per_hour", { rate: formatMoney(current) }) : "";
    }),
    h("span", { class: "project-time number", title: t("projects.tracked") }, () =>
      seconds() ? [formatHours(seconds()), h("span", { class: "visually-hidden" }, ` ${t("projects.tracked")}`)] : null,
    ),
    h(
      "a",
      {
        class: "button",
        href: `#/tasks?status=any&project=${project.peek().id}`,
        "aria-label": () => t("projects.tasks_of", { name: name() }),
      },
      t("nav.tasks"),
    ),
    actions(project, heading),
  ]);
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<Project>} project
 * @param {HTMLElement} heading
 */
function actions(project, heading) {
  const isArchived = () => project.value.archived_at !== null;
  return h("span", { class: "project-actions" }, [
    h(
      "button",
      {
        type: "button",
        "aria-label": () =>
          t(isArchived() ? "projects.unarchive_of" : "projects.archive_of", { name: project.value.name }),
        onclick: (/** @type {Event} */ { currentTarget }) =>
          toggleArchive(project.peek(), /** @type {Element} */ (currentTarget), heading),
      },
      () => t(isArchived() ? "projects.unarchive" : "projects.archive_it"),
    ),
    h(
      "button",
      {
        type: "button",
        class: "quiet icon-button",
        "aria-label": () => t("projects.delete_of", { name: project.value.name }),
        title: t("common.delete"),
        onclick: (/** @type {Event} */ { currentTarget }) =>
          remove(project.peek(), /** @type {Element} */ (currentTarget), heading),
      },
      icon("delete"),
    ),
  ]);
}

/**
 * @param {Project} project
 * @param {Element} button
 * @param {HTMLElement} heading
 */
async function toggleArchive(project, button, heading) {
  const isArchived = project.archived_at === null;
  const isDone = await attempt(() => archiveProject(project, isArchived));
  if (!isDone) return;
  moveFocus(button, heading);
  notifyWithUndo(t(isArchived ? "projects.archived" : "projects.unarchived", { name: project.name }), () =>
    archiveProject(project, !isArchived),
  );
}

/**
 * @param {Project} project
 * @param {Element} button
 * @param {HTMLElement} heading
 */
async function remove(project, button, heading) {
  const isSure = await confirm(t("projects.delete_question", { name: project.name }), {
    yes: t("projects.delete_yes"),
    no: t("common.cancel"),
    detail: t(project.archived_at ? "projects.delete_detail_archived" : "projects.delete_detail"),
    isDangerous: true,
  });
  if (!isSure || !(await attempt(() => deleteProject(project)))) return;
  moveFocus(button, heading);
  notify(t("projects.deleted", { name: project.name }));
}

/** @param {string | null} color */
export function dot(color) {
  return h("span", {
    class: "dot",
    "aria-hidden": "true",
    ref: (/** @type {HTMLElement} */ element) => color && element.style.setProperty("background", color),
  });
}
