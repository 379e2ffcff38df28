// Imports of files, and exports to files.

import { download, request } from "../api.js";
import { announce } from "./changes.js";

/** @typedef {import("../types").Import} Import */

/**
 * @typedef {object} ImportOptions The form fields of POST /imports. Empty ones are not sent.
 * @property {string} format
 * @property {string} timezone
 * @property {string} dateOrder
 * @property {string} currency
 * @property {string} user
 * @property {string} dayStart "HH:MM", for rows without a time of day.
 * @property {Readonly<Record<string, string | null>>} columns The headers of fields; null reads a field from no column.
 * @property {boolean} isStrict
 */

const POLL_MS = 700;

/**
 * Return what an import of the file would do. Nothing is written.
 *
 * @param {File} file
 * @param {ImportOptions} options
 * @param {AbortSignal} signal
 * @returns {Promise<Import>}
 */
export async function previewImport(file, options, signal) {
  const form = formOf(file, options);
  form.set("dry_run", "true");
  return (await request("POST", "imports", { form, signal })).data;
}

/**
 * Begin to import a file.
 *
 * @param {File} file
 * @param {ImportOptions} options
 * @returns {Promise<Import>} Follow it with `followImport`.
 */
export async function startImport(file, options) {
  return (await request("POST", "imports", { form: formOf(file, options), query: { wait: false } })).data;
}

/**
 * Wait until an import has ended.
 *
 * @param {Import} started
 * @param {(progress: Import) => void} onprogress
 * @param {AbortSignal} signal Ends the waiting; the import goes on.
 * @returns {Promise<Import>}
 */
export async function followImport(started, onprogress, signal) {
  let current = started;
  while (current.status === "running") {
    onprogress(current);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    current = (await request("GET", `imports/${started.id}`, { signal })).data;
  }
  announce("import.created", "task.created", "entry.created", "project.created");
  return current;
}

/**
 * Return a page of the imports, the newest first.
 *
 * @param {{cursor: string | null, limit: number}} page
 * @param {AbortSignal} signal
 * @returns {Promise<{items: Import[], next_cursor: string | null}>}
 */
export async function listImports(page, signal) {
  return (await request("GET", "imports", { query: { ...page }, signal })).data;
}

/**
 * Remove what an import created, except what was changed since.
 *
 * @param {Import} done
 * @returns {Promise<{removed: Import["created"], left: Import["created"]}>}
 */
export async function undoImport(done) {
  const { data } = await request("DELETE", `imports/${done.id}`);
  announce("import.deleted", "task.deleted", "entry.deleted", "project.deleted");
  return data;
}

/**
 * Export the entries of a time range.
 *
 * @param {string} extension "csv", "xlsx", "ics" or "ndjson".
 * @param {Record<string, string | boolean>} query
 */
export function exportEntries(extension, query) {
  return download(`exports/time-entries.${extension}`, { query });
}

/** Export all data of the account. */
export function exportAccount() {
  return download("exports/account.ndjson.gz");
}

/**
 * @param {File} file
 * @param {ImportOptions} options
 */
function formOf(file, { format, timezone, dateOrder, currency, user, dayStart, columns, isStrict }) {
  const form = new FormData();
  const fields = {
    format,
    timezone,
    date_order: dateOrder,
    currency,
    user,
    day_start: dayStart,
    columns: Object.keys(columns).length > 0 ? JSON.stringify(columns) : "",
    strict: isStrict ? "true" : "",
  };
  for (const [name, value] of Object.entries(fields)) if (value.trim() !== "") form.set(name, value.trim());
  form.set("file", file);
  return form;
}
