// The view of projects, by client.

import { define, each, h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { attempt, loadFailure } from "../../parts/notice.js";
import { today } from "../../store/clock.js";
import { listProjects, projects, projectsError, reloadProjects } from "../../store/projects.js";
import { secondsByProject } from "../../store/reports.js";
import { resource } from "../../store/resource.js";
import { t } from "../../text/index.js";
import { addDays } from "../../time/zones.js";
import { editProject } from "./project_dialog.js";
import { projectRow } from "./project_row.js";

/**
 * @typedef {import("../../types").Project} Project
 * @typedef {{client: string, projects: Project[]}} Group
 */

const DAYS = 30;

define("tt-projects", () => {
  const isArchiveShown = signal(false);
  const text = signal("");
  const archived = resource((signal) => listProjects({ isArchived: true, signal }), ["project", "import"]);
  const seconds = resource(
    (signal) => secondsByProject({ from: addDays(today.value, 1 - DAYS), to: addDays(today.value, 1) }, signal),
    ["entry", "timer", "task", "project", "import"],
  );
  const shown = computed(() => (isArchiveShown.value ? (archived.data.value ?? []) : projects.value));
  const groups = computed(() => byClient(shown.value.filter((project) => matches(project, text.value))));
  const heading = h("h1", { tabindex: "-1" }, () => t(isArchiveShown.value ? "projects.archive" : "nav.projects"));
  const create = () => void attempt(() => editProject(null));
  const list = each(
    h("div", { class: "project-groups" }),
    () => groups.value,
    (group) => group.client,
    (group) => clientGroup(group, seconds.data, heading),
  );
  return h("div", { class: "projects" }, [
    h("div", { class: "view-header" }, heading, [
      h("button", { type: "button", class: "primary", onclick: create }, t("projects.new")),
    ]),
    filterBar(text, isArchiveShown),
    list,
    () => state({ isEmpty: groups.value.length === 0, isArchive: isArchiveShown.value, text: text.value, archived }),
  ]);
});

/**
 * @param {import("../../lib/signal.js").Signal<string>} text
 * @param {import("../../lib/signal.js").Signal<boolean>} isArchiveShown
 */
function filterBar(text, isArchiveShown) {
  const search = h("input", {
    type: "search",
    class: "task-search",
    "aria-label": t("projects.search"),
    placeholder: t("projects.search"),
    oninput: () => {
      text.value = search.value;
    },
  });
  const archive = h("input", {
    type: "checkbox",
    onchange: () => {
      isArchiveShown.value = archive.checked;
    },
  });
  return h("div", { class: "filter-bar", role: "search" }, search, [
    h("label", { class: "check" }, archive, t("projects.show_archived")),
    h("span", { class: "project-legend muted", "aria-hidden": "true" }, t("projects.tracked")),
  ]);
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<Group>} group
 * @param {import("../../lib/signal.js").ReadSignal<Map<string, number> | null>} seconds
 * @param {HTMLElement} heading Gets the focus when its project has gone.
 */
function clientGroup(group, seconds, heading) {
  return h("section", { class: "project-group" }, [
    h(
      "h2",
      null,
      h("bdi", null, () => group.value.client || t("projects.no_client")),
    ),
    each(
      h("ul", { class: "project-list" }),
      () => group.value.projects,
      (project) => project.id,
      (project) => projectRow({ project, seconds: () => seconds.value?.get(project.peek().id) ?? 0, heading }),
    ),
  ]);
}

/**
 * @param {object} options
 * @param {boolean} options.isEmpty
 * @param {boolean} options.isArchive
 * @param {string} options.text
 * @param {import("../../store/resource.js").Resource<Project[]>} options.archived
 */
function state({ isEmpty, isArchive, text, archived }) {
  if (!isEmpty) return null;
  const { error, reload } = isArchive ? archived : { error: projectsError, reload: reloadProjects };
  if (error.value) return h("div", { class: "empty" }, loadFailure(error.value, reload));
  if (text) return h("p", { class: "empty" }, t("projects.no_match"));
  return h("p", { class: "empty is-late" }, t(isArchive ? "projects.archive_empty" : "projects.empty"));
}

/**
 * @param {readonly Project[]} all
 * @returns {Group[]} By client; the projects without one are last.
 */
function byClient(all) {
  /** @type {Map<string, Project[]>} */
  const groups = new Map();
  for (const project of all) {
    const client = project.client_name ?? "";
    groups.set(client, [...(groups.get(client) ?? []), project]);
  }
  const rank = (/** @type {string} */ client) => (client === "" ? 1 : 0);
  return [...groups]
    .map(([client, members]) => ({ client, projects: members }))
    .sort((a, b) => rank(a.client) - rank(b.client) || a.client.localeCompare(b.client));
}

/**
 * @param {Project} project
 * @param {string} text
 */
function matches(project, text) {
  return `${project.name}\n${project.client_name ?? ""}`.toLowerCase().includes(text.trim().toLowerCase());
}
