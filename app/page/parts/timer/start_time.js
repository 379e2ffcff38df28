// The start of the running timer, and its correction.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { now, second, today } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { correct, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { formatDay, formatTime } from "../../time/format.js";
import { isShownTime, lastInstant, parseTime } from "../../time/times.js";
import { dayOf } from "../../time/zones.js";
import { editField } from "../edit_field.js";
import { describeFailure } from "../notice.js";
import { attemptChecked } from "../overlaps.js";

const STEP_MS = 300_000;
const ERROR_ID = "timer-start-error";

/** Create the field "Start time" and the button "5 minutes earlier". They are shown while a timer runs. */
export function startTime() {
  const error = signal("");
  const field = editField({
    label: t("timer.started_at"),
    text: () => (timer.value ? formatTime(timer.value.startedAt, zone.value) : ""),
    save,
    step,
    errorId: ERROR_ID,
    onerror: (text) => {
      error.value = text;
    },
    attributes: { class: "time-field", inputmode: "text", size: 8 },
  });

  /** @param {string} text */
  async function save(text) {
    const time = parseTime(text);
    const running = timer.peek();
    if (!time) return t("time.invalid");
    if (!running || isShownTime(time, running.startedAt, zone.peek())) return null;
    return correctStart(lastInstant(time, now(), zone.peek()));
  }

  /** @param {number} minutes */
  function step(minutes) {
    const time = parseTime(field.value);
    if (!time) return null;
    const shown = lastInstant(time, now(), zone.peek());
    return formatTime(Math.min(shown + minutes * 60_000, now()), zone.peek());
  }

  async function stepBack() {
    const running = timer.peek();
    if (running) error.value = (await correctStart(running.startedAt - STEP_MS)) ?? "";
  }

  return h(
    "div",
    { class: "start-time with-error", hidden: () => !timer.value },
    h("span", { class: "muted", "aria-hidden": "true" }, t("timer.since")),
    h("span", { class: "start-day" }, otherDay),
    field,
    h(
      "button",
      {
        type: "button",
        class: "quiet step-back",
        title: t("timer.earlier"),
        "aria-label": t("timer.earlier"),
        onclick: stepBack,
      },
      "−5",
    ),
    h("p", { id: ERROR_ID, class: "error-below", role: "alert" }, () => error.value),
  );
}

/** Return the day of the start, unless it is today. */
function otherDay() {
  if (!timer.value) return "";
  const day = dayOf(timer.value.startedAt, zone.value);
  return day === today.value ? "" : formatDay(day, { weekday: "short", day: "numeric", month: "short" });
}

/**
 * @param {number} instant
 * @returns {Promise<string | null>} What went wrong.
 */
async function correctStart(instant) {
  try {
    await attemptChecked((options) => correct({ startedAt: Math.min(instant, second.peek()) }, options));
    return null;
  } catch (failure) {
    return describeFailure(failure);
  }
}
