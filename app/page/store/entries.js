// Time entries.

import { request } from "../api.js";
import { announce } from "./changes.js";

/**
 * Bring back a deleted entry or a discarded timer.
 *
 * @param {string} id
 */
export async function restoreEntry(id) {
  await request("POST", `time-entries/${id}/restore`);
  announce("entry.created");
}
