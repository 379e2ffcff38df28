// Projects. There are few of them: all are kept in memory.

import { newKey, request } from "../api.js";
import { computed, signal } from "../lib/signal.js";
import { announce, onChange } from "./changes.js";
import { withWaitingItems } from "./offline/overlay.js";
import { read } from "./offline/snapshots.js";
import { submit, waiting } from "./outgoing.js";
import { whenReachableAgain } from "./presence/reachable.js";
import { oneAtATime } from "./resource.js";

/** @typedef {import("../types").Project} Project */

/** All projects that are not archived, by name. */
export const projects = signal(/** @type {Project[]} */ ([]));

/** Why they could not be loaded, or null. */
export const projectsError = signal(/** @type {unknown} */ (null));

const byId = computed(() => new Map(projects.value.map((project) => [project.id, project])));

/** Load the projects now, and again after each change. Call once in the scope of a session. */
export function followProjects() {
  onChange(["project", "import"], reloadProjects);
  whenReachableAgain(() => {
    if (projectsError.peek()) reloadProjects();
  });
  return loadProjects();
}

/** Load the projects again. What fails is shown by `projectsError`. */
export function reloadProjects() {
  return loadProjects().catch(() => {});
}

/**
 * Return a project, or null when there is none with this id.
 *
 * @param {string | null} id
 */
export function project(id) {
  return (id && byId.value.get(id)) || null;
}

const loadProjects = oneAtATime(async () => {
  try {
    projects.value = await listProjects({ isArchived: false });
    projectsError.value = null;
  } catch (error) {
    projectsError.value = error;
    throw error;
  }
});

/**
 * Return all projects that are, or are not, archived, by name.
 *
 * @param {{isArchived: boolean, signal?: AbortSignal}} options
 */
export async function listProjects({ isArchived, signal }) {
  /** @type {Project[]} */
  const loaded = [];
  let cursor = null;
  do {
    const data = await read("projects", { archived: isArchived, limit: 200, cursor }, signal);
    loaded.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor);
  const changed = withWaitingItems("projects", loaded, waiting.peek());
  // A waiting change has the field "archived", as the service takes it.
  const isListed = (/** @type {Project & {archived?: boolean}} */ each) => (each.archived ?? isArchived) === isArchived;
  return changed.filter(isListed).sort((a, b) => a.name.localeCompare(b.name));
}

/** @typedef {Pick<Project, "name" | "client_name" | "color" | "billable" | "hourly_rate">} ProjectFields */

/**
 * Create a project.
 *
 * @param {ProjectFields} fields
 */
export async function createProject(fields) {
  await request("POST", "projects", { body: fields, key: newKey() });
  announce("project.created");
}

/**
 * Change a project. New rates of existing entries need the service; other changes can wait for it.
 *
 * @param {Project} project
 * @param {Partial<ProjectFields>} fields Merged as JSON merge patch.
 * @param {{rerate: boolean}} options Whether a new rate also applies to existing entries.
 * @returns {Promise<number | null>} The number of entries with a new rate.
 */
export async function updateProject(project, fields, { rerate }) {
  if (!rerate) {
    await submitUpdate(project, fields);
    return null;
  }
  const { data } = await request("PATCH", `projects/${project.id}`, { query: { rerate }, body: fields });
  announce("project.updated", "entry.updated");
  return data.rerated_entries ?? null;
}

/**
 * @param {Project} project
 * @param {Record<string, unknown>} body
 */
function submitUpdate({ id, name }, body) {
  return submit({ method: "PATCH", path: `projects/${id}`, body, types: ["project.updated"], label: name });
}

/**
 * Archive a project, or bring it back. Its tasks keep it.
 *
 * @param {Project} project
 * @param {boolean} isArchived
 */
export function archiveProject(project, isArchived) {
  return submitUpdate(project, { archived: isArchived });
}

/**
 * Delete a project. Its tasks keep their time and have no project.
 *
 * @param {Project} project
 */
export async function deleteProject({ id, name }) {
  await submit({ method: "DELETE", path: `projects/${id}`, types: ["project.deleted", "task.updated"], label: name });
}
