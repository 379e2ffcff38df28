// What people read about entries that overlap.

import { ApiError } from "../api.js";
import { zone } from "../store/profile.js";
import { t } from "../text/index.js";
import { formatHours } from "../time/durations.js";
import { formatTime } from "../time/format.js";
import { attempt, describeFailure, notify } from "./notice.js";

/** @typedef {import("../types").Overlap} Overlap */

/**
 * Describe overlapping entries.
 *
 * @param {readonly Overlap[]} overlaps
 * @param {(taskId: string) => string | undefined} [titleOf]
 */
export function describeOverlaps(overlaps, titleOf = () => undefined) {
  const [first, ...others] = overlaps;
  if (!first) return "";
  const seconds = overlaps.reduce((sum, each) => sum + each.overlap_seconds, 0);
  const from = formatTime(Date.parse(first.started_at), zone.peek());
  const to = first.ended_at ? formatTime(Date.parse(first.ended_at), zone.peek()) : t("overlap.now");
  const title = titleOf(first.task_id);
  const range = title ? t("overlap.entry", { title, from, to }) : t("overlap.range", { from, to });
  const more = others.length > 0 ? t("overlap.more", { count: others.length }) : "";
  return t("overlap.by", { duration: formatHours(seconds), entries: `${range}${more}` });
}

/**
 * Return an error as people read it, with the entries that overlap.
 *
 * @param {unknown} error
 * @param {(taskId: string) => string | undefined} [titleOf]
 */
export function describeWriteError(error, titleOf) {
  const overlaps = error instanceof ApiError ? error.problem.overlaps : undefined;
  return overlaps ? describeOverlaps(overlaps, titleOf) : describeFailure(error);
}

/**
 * Run a change of the timer and show its overlaps. One that was refused because of them can be repeated without the
 * check.
 *
 * @param {(options: {overlap?: "allow"}) => Promise<Overlap[]>} change
 */
export async function attemptChecked(change) {
  try {
    const overlaps = await change({});
    if (overlaps.length > 0) notify(describeOverlaps(overlaps));
    return true;
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "overlap")) throw error;
    const run = () => void attempt(() => change({ overlap: "allow" }));
    notify(describeWriteError(error), { isError: true, action: { label: t("overlap.anyway"), run } });
    return false;
  }
}
