// The running timer as the first entry of the day.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { editField } from "../../parts/edit_field.js";
import { icon, projectDot } from "../../parts/icons.js";
import { attempt, describeFailure } from "../../parts/notice.js";
import { preferences, zone } from "../../store/profile.js";
import { project } from "../../store/projects.js";
import { correct, elapsed, stop, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";

const ERROR_ID = "running-error";

/** Create the row. Its start is corrected in the timer bar, its note here. */
export function runningRow() {
  const error = signal("");
  const note = editField({
    label: t("entry.note"),
    text: () => timer.value?.note ?? "",
    save: saveNote,
    errorId: ERROR_ID,
    onerror: (text) => {
      error.value = text;
    },
    attributes: { class: "ghost entry-note", placeholder: t("today.add_note"), maxlength: 5000 },
  });
  return h(
    "div",
    {
      class: "entry-row is-running",
      role: "group",
      "aria-label": () => t("today.running", { title: timer.value?.title ?? "" }),
    },
    h(
      "span",
      { class: "entry-task" },
      () => projectDot(timer.value?.projectId ?? null),
      h("bdi", { class: "entry-title", title: () => timer.value?.title ?? "" }, () => timer.value?.title ?? ""),
    ),
    () => {
      const own = project(timer.value?.projectId ?? null);
      return own && h("bdi", { class: "entry-project muted" }, own.name);
    },
    note,
    h("bdi", { class: "entry-tags muted" }, () => timer.value?.tags.join(", ") ?? ""),
    h("span", { class: "entry-times muted" }, () =>
      timer.value ? t("today.since", { time: formatTime(timer.value.startedAt, zone.value) }) : "",
    ),
    h("span", { class: "duration-field number" }, () => formatHours(elapsed.value)),
    longHint,
    h("p", { id: ERROR_ID, class: "entry-error", role: "alert", hidden: () => !error.value }, () => error.value),
  );
}

/** A timer that was forgotten: stopped, it is an entry that needs review. */
function longHint() {
  const hours = preferences.value.timer_cap_hours ?? 12;
  if (elapsed.value <= hours * 3600) return null;
  return h(
    "p",
    { class: "entry-hint" },
    icon("review"),
    t("today.runs_long", { hours }),
    h("button", { type: "button", class: "link", onclick: () => attempt(stop) }, t("today.stop_for_review")),
  );
}

/** @param {string} text */
async function saveNote(text) {
  try {
    await correct({ note: text.trim() || null });
    return null;
  } catch (failure) {
    return describeFailure(failure);
  }
}
