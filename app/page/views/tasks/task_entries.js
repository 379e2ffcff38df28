// The newest time entries of a task, each opened in its dialog.

import { h } from "../../lib/dom.js";
import { editEntry } from "../../parts/entry_dialog.js";
import { attempt } from "../../parts/notice.js";
import { zone } from "../../store/profile.js";
import { resource } from "../../store/resource.js";
import { loadTask } from "../../store/tasks.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatDay, formatTime } from "../../time/format.js";
import { dayOf } from "../../time/zones.js";

/** @typedef {import("../../types").Entry} Entry */

const MAX_SHOWN = 8;

/** @param {import("../../types").Task & {time_entries: Entry[]}} task */
export function newestEntries(task) {
  const { data } = resource(() => loadTask(task.id), ["entry", "timer"]);
  const shown = () => data.value ?? task;
  return h(
    "section",
    { class: "task-entries" },
    h("h3", null, () => t("tasks.entries", { count: shown().entry_count, time: formatHours(shown().tracked_seconds) })),
    h("ul", null, () =>
      shown()
        .time_entries.slice(0, MAX_SHOWN)
        .map((entry) => row(entry, task.title)),
    ),
  );
}

/**
 * @param {Entry} entry
 * @param {string} title
 */
function row(entry, title) {
  const [start, end] = [Date.parse(entry.started_at), Date.parse(entry.ended_at ?? entry.started_at)];
  const day = formatDay(dayOf(start, zone.peek()), { weekday: "short", day: "numeric", month: "short" });
  const range = `${formatTime(start, zone.peek())} – ${formatTime(end, zone.peek())}`;
  const edit = () =>
    attempt(() =>
      editEntry({
        entry,
        task: { id: entry.task_id, title },
        startedAt: start,
        endedAt: end,
        note: entry.note,
        tags: entry.tags,
      }),
    );
  return h(
    "li",
    null,
    h(
      "button",
      {
        type: "button",
        class: "task-entry",
        onclick: edit,
        "aria-label": t("tasks.edit_entry", { time: `${day}, ${range}` }),
      },
      h("span", null, day),
      h("span", { class: "muted" }, range),
      h("span", { class: "task-entry-note" }, h("bdi", null, entry.note ?? "")),
      h("span", { class: "number" }, formatHours((end - start) / 1000)),
    ),
  );
}
