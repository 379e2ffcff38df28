// Projects. There are few of them: all are kept in memory.

import { request } from "../api.js";
import { computed, signal } from "../lib/signal.js";
import { onChange } from "./changes.js";

/** @typedef {import("../types").Project} Project */

/** All projects that are not archived, by name. */
export const projects = signal(/** @type {Project[]} */ ([]));

const byId = computed(() => new Map(projects.value.map((project) => [project.id, project])));

/** Load the projects now, and again after each change. Call once in the scope of a session. */
export function followProjects() {
  onChange(["project", "import"], () => void loadProjects().catch(() => {}));
  return loadProjects();
}

/**
 * Return a project, or null when there is none with this id.
 *
 * @param {string | null} id
 */
export function project(id) {
  return (id && byId.value.get(id)) || null;
}

async function loadProjects() {
  /** @type {Project[]} */
  const loaded = [];
  let cursor = null;
  do {
    const { data } = await request("GET", "projects", { query: { archived: false, limit: 200, cursor } });
    loaded.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor);
  projects.value = loaded.sort((a, b) => a.name.localeCompare(b.name));
}
