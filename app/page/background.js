// What runs behind the views of a signed-in user. It is loaded after the first view.

import { followShortcuts } from "./parts/commands/shortcuts.js";
import { idleQuestion } from "./parts/status/idle_question.js";
import { watchForGaps } from "./store/presence/idle.js";
import { followChanges } from "./store/presence/live.js";

/**
 * Follow the changes of others, the shortcuts and gaps until the current scope ends.
 *
 * @param {readonly KeyboardEvent[]} earlyKeys The keys that were pressed before.
 * @returns The question about a gap.
 */
export function background(earlyKeys) {
  followChanges();
  followShortcuts(earlyKeys);
  watchForGaps();
  return idleQuestion();
}
