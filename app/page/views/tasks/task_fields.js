// The fields of a task as a person edits them, and how two people's changes of one task come together.

import { isoInstant } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { dayOf, instantOf, timeOf } from "../../time/zones.js";

/**
 * @typedef {import("../../types").Task} Task
 * @typedef {Pick<Task, typeof FIELDS[number]>} Fields
 */

export const FIELDS = /** @type {const} */ ([
  "title",
  "description",
  "status",
  "project_id",
  "tags",
  "priority",
  "due_at",
  "estimate_seconds",
  "billable",
]);

export const PRIORITIES = [0, 1, 2, 3, 4];

/** A task that is due on a day is due at its end. */
const END_OF_DAY = "23:59";

/**
 * Return the instant of a due day. Without a time it keeps the time of day that it had.
 *
 * @param {string} day "" for no due date.
 * @param {string} time "HH:MM" or "".
 * @param {string | null} before
 */
export function dueOf(day, time, before) {
  if (day === "") return null;
  const old = before ? Date.parse(before) : null;
  const kept = old === null ? END_OF_DAY : timeOf(old, zone.peek());
  if (old !== null && day === dayOf(old, zone.peek()) && (time || kept) === kept) return before;
  return isoInstant(instantOf(day, time || kept, zone.peek()));
}

/**
 * Return the editable fields of a task.
 *
 * @param {Task | Fields} task
 * @returns {Fields}
 */
export function fieldsOf(task) {
  return /** @type {Fields} */ (Object.fromEntries(FIELDS.map((name) => [name, task[name]])));
}

/**
 * Return the fields that differ, as a JSON merge patch.
 *
 * @param {Fields} before
 * @param {Fields} after
 * @returns {Partial<Fields>}
 */
export function patchOf(before, after) {
  return Object.fromEntries(
    FIELDS.filter((name) => !isSame(before[name], after[name])).map((name) => [name, after[name]]),
  );
}

/**
 * Bring together what a person typed and what was stored meanwhile.
 *
 * @param {Fields} before What the person began with.
 * @param {Fields} mine What the person typed.
 * @param {Fields} stored
 * @returns {{merged: Fields, clashes: (keyof Fields)[]}} `merged` has the person's values of the fields that both changed.
 */
export function merge(before, mine, stored) {
  const own = patchOf(before, mine);
  const others = patchOf(before, stored);
  const clashes = FIELDS.filter((name) => name in own && name in others && !isSame(mine[name], stored[name]));
  return { merged: { ...stored, ...own }, clashes };
}

/**
 * @param {unknown} a
 * @param {unknown} b
 */
function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
