// The tags that the user has used.

import { request } from "../api.js";
import { signal } from "../lib/signal.js";

/** The most used tags, for completion. */
export const knownTags = signal(/** @type {string[]} */ ([]));

/** Load the tags, unless they are loaded. */
export async function loadTags() {
  if (knownTags.peek().length > 0) return;
  const { data } = await request("GET", "tags", { query: { limit: 200 } });
  knownTags.value = data.items.map((/** @type {{name: string}} */ tag) => tag.name);
}
