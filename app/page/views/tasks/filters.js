// What the list of tasks shows: the filters, their place in the URL, and the query of the API that they mean.

import { effect, signal } from "../../lib/signal.js";
import { goTo, route } from "../../route.js";
import { isoInstant, now } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { addDays, dayOf, instantOf } from "../../time/zones.js";

/**
 * @typedef {object} Filters
 * @property {string} q
 * @property {string} status "open", "any" or a status.
 * @property {string} project An id, "none" or "".
 * @property {string} tag
 * @property {string} due "overdue", "today", "week" or "".
 * @property {string} running "true" or "".
 * @property {string} trash "true" or "".
 * @property {string} sort
 */

/** @type {Readonly<Filters>} */
export const NO_FILTERS = {
  q: "",
  status: "open",
  project: "",
  tag: "",
  due: "",
  running: "",
  trash: "",
  sort: "-created_at",
};

export const STATUSES = ["pending", "in_progress", "completed"];
const OPEN_STATUSES = ["pending", "in_progress"];
const NAMES = /** @type {(keyof Filters)[]} */ (Object.keys(NO_FILTERS));

/**
 * Return the filters of the address, and a function that changes them.
 *
 * @returns {{filters: import("../../lib/signal.js").ReadSignal<Filters>, setFilters: (fields: Partial<Filters>) => void}}
 */
export function followFilters() {
  const filters = signal(filtersOf(route.peek().query));
  effect(() => {
    if (route.value.name === "tasks") filters.value = filtersOf(route.value.query);
  });
  return {
    filters,
    setFilters(fields) {
      // Typing must not fill the history.
      goTo(addressOf({ ...filters.peek(), ...fields }), { isReplacement: true });
    },
  };
}

/**
 * @param {URLSearchParams} query
 * @returns {Filters}
 */
function filtersOf(query) {
  const filters = { ...NO_FILTERS };
  for (const name of NAMES) filters[name] = query.get(name) ?? filters[name];
  return filters;
}

/**
 * Return the address of the view with the filters that are not the default.
 *
 * @param {Filters} filters
 */
function addressOf(filters) {
  const changed = NAMES.filter((name) => filters[name] !== NO_FILTERS[name]);
  const parameters = new URLSearchParams(changed.map((name) => [name, filters[name]]));
  return changed.length > 0 ? `tasks?${parameters}` : "tasks";
}

/** @param {Filters} filters */
export function countFilters(filters) {
  return NAMES.filter((name) => name !== "sort" && name !== "trash" && filters[name] !== NO_FILTERS[name]).length;
}

/**
 * Return the query parameters of GET /tasks.
 *
 * @param {Filters} filters
 * @returns {Record<string, string | string[] | boolean | null>}
 */
export function queryOf({ q, status, project, tag, due, running, trash, sort }) {
  const isTrash = trash === "true";
  const statuses = status === "open" && !isTrash ? OPEN_STATUSES : STATUSES.filter((each) => each === status);
  return {
    q: q.trim() || null,
    status: statuses,
    project_id: project || null,
    tag: tag.trim() || null,
    running: running === "true" ? true : null,
    deleted: isTrash ? true : null,
    sort,
    ...dueRange(due),
  };
}

/**
 * @param {string} due
 * @returns {Record<string, string>}
 */
function dueRange(due) {
  if (due === "overdue") return { due_before: isoInstant(now()) };
  if (due !== "today" && due !== "week") return {};
  const today = dayOf(now(), zone.peek());
  const end = addDays(today, due === "today" ? 1 : 7);
  return {
    due_after: isoInstant(instantOf(today, "00:00", zone.peek())),
    due_before: isoInstant(instantOf(end, "00:00", zone.peek())),
  };
}
