// Discard the running timer, with its undo.

import { restoreEntry } from "../../store/entries.js";
import { discard, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { attempt, notifyWithUndo } from "../notice.js";

export async function discardTimer() {
  await attempt(async () => {
    const title = timer.peek()?.title ?? "";
    const entryId = await discard();
    if (entryId) notifyWithUndo(t("timer.discarded"), () => restoreEntry(entryId, title));
  });
}
