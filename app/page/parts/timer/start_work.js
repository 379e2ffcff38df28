// Start or discard work: what can go wrong, and what a person can do then.

import { ApiError } from "../../api.js";
import { restoreEntry } from "../../store/entries.js";
import { discard, start, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { attempt, notify, notifyWithUndo } from "../notice.js";
import { attemptChecked } from "../overlaps.js";

/**
 * Start a timer, or switch the running one.
 *
 * @param {import("../../store/timer.js").Work} work
 * @param {import("../../store/timer.js").At} [options]
 * @returns {Promise<boolean>} Whether it was started.
 */
export async function startWork(work, { at } = {}) {
  let isStarted = false;
  await attempt(async () => {
    try {
      isStarted = await attemptChecked((options) => start(work, { ...options, at }));
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "timer_already_running")) throw error;
      notify(t("timer.runs_elsewhere", { title: timer.peek()?.title ?? "" }), {
        isError: true,
        action: { label: t("timer.switch_to", { title: work.title }), run: () => void startWork(work) },
      });
    }
  });
  return isStarted;
}

/** Discard the running timer. What it has tracked can be restored. */
export async function discardTimer() {
  await attempt(async () => {
    const title = timer.peek()?.title ?? "";
    const entryId = await discard();
    if (entryId) notifyWithUndo(t("timer.discarded"), () => restoreEntry(entryId, title));
  });
}
