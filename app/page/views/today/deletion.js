// Delete an entry, with its undo and the focus that follows.

import { attempt, notifyWithUndo } from "../../parts/notice.js";
import { deleteEntry, restoreEntry } from "../../store/entries.js";
import { t } from "../../text/index.js";

/**
 * Delete the entry of a row. The focus goes to the next row.
 *
 * @param {import("./day.js").Day} day
 * @param {import("./day.js").Row} row
 */
export async function deleteRow(day, row) {
  const { entry, id, title } = row;
  if (!entry) return;
  const next = neighbour(id);
  day.hide(id);
  focusDeletion(next);
  const isDeleted = await attempt(() => deleteEntry(entry, title));
  if (!isDeleted) {
    day.unhide(id);
    return;
  }
  day.remove(id);
  notifyWithUndo(t("today.deleted", { title }), () => restoreEntry(id, title));
}

/** @param {string} id @returns {string | null} The row after it, or before it when it is the last. */
function neighbour(id) {
  const ids = [...document.querySelectorAll("[data-entry]")].map((row) => row.getAttribute("data-entry"));
  const index = ids.indexOf(id);
  return ids[index + 1] ?? ids[index - 1] ?? null;
}

/** @param {string | null} id */
function focusDeletion(id) {
  const row = id && document.querySelector(`[data-entry="${CSS.escape(id)}"]`);
  const button = row ? row.querySelector(".entry-actions button:last-child") : document.querySelector("main h1");
  if (button instanceof HTMLElement) button.focus();
}
