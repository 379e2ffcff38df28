// The dialog that splits an entry in two.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { showDialog } from "../../parts/dialog.js";
import { describeWriteError } from "../../parts/overlaps.js";
import { submission } from "../../parts/submission.js";
import { splitEntry } from "../../store/entries.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";
import { instantNear, parseTime } from "../../time/times.js";

/** The middle of a long entry is shown as a multiple of this. */
const STEP_MS = 300_000;
const MINUTE_MS = 60_000;
const ERROR_ID = "split-error";

/**
 * Show the dialog.
 *
 * @param {import("./day.js").Day} day
 * @param {import("./day.js").Row} row
 */
export async function splitRow(day, row) {
  await showDialog(t("today.split_title"), (/** @type {() => void} */ close) => form(day, row, close));
}

/**
 * @param {import("./day.js").Day} day
 * @param {import("./day.js").Row} row
 * @param {() => void} close
 */
function form(day, row, close) {
  const { startedAt, endedAt, entry, title } = row;
  const at = signal(middle(startedAt, endedAt));
  const typed = signal(formatTime(at.peek(), zone.peek()));
  const error = signal("");

  /** @param {number} instant */
  function choose(instant) {
    at.value = instant;
    error.value = "";
  }

  function readTime() {
    const time = parseTime(typed.peek());
    if (time && formatTime(at.peek(), zone.peek()) === typed.peek()) return true;
    const isAllowed = (/** @type {number} */ instant) => instant > startedAt && instant < endedAt;
    const instant = time && instantNear(time, { near: at.peek(), zone: zone.peek(), isAllowed });
    if (instant) choose(instant);
    else error.value = t(time ? "today.split_outside" : "time.invalid");
    return Boolean(instant);
  }

  const onsubmit = submission({
    check: () => readTime() && entry !== null,
    async save() {
      if (!entry) return;
      const answer = await splitEntry(entry, at.peek(), title);
      const ended_at = answer.isSent ? answer.data.first.ended_at : new Date(at.peek()).toISOString();
      day.patch(row.id, { ended_at });
      close();
    },
    onfailure: (failure) => {
      error.value = describeWriteError(failure);
    },
  });

  const input = h("input", {
    type: "text",
    autocomplete: "off",
    autofocus: true,
    value: () => typed.value,
    "aria-invalid": () => (error.value ? "true" : null),
    "aria-describedby": ERROR_ID,
    oninput: () => {
      typed.value = input.value;
    },
    onchange: readTime,
  });
  const slider = h("input", {
    type: "range",
    class: "split-slider",
    "aria-label": t("today.split_at"),
    "aria-valuetext": () => formatTime(at.value, zone.value),
    min: startedAt + Math.min(MINUTE_MS, Math.floor((endedAt - startedAt) / 2)),
    max: endedAt - 1000,
    step: MINUTE_MS,
    value: () => String(at.value),
    oninput: () => {
      choose(Number(slider.value));
      typed.value = formatTime(at.peek(), zone.peek());
    },
  });
  return h(
    "form",
    { class: "split-form", onsubmit, novalidate: true },
    h("p", { class: "muted" }, h("bdi", null, title)),
    h("label", { class: "field" }, t("today.split_at"), input),
    slider,
    h(
      "p",
      { class: "split-preview" },
      part(startedAt, () => at.value),
      part(() => at.value, endedAt),
    ),
    h("p", { id: ERROR_ID, class: "form-error", role: "alert" }, () => error.value),
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: close }, t("common.cancel")),
      h("button", { type: "submit", class: "primary" }, t("today.split")),
    ),
  );
}

/**
 * @param {number | (() => number)} from
 * @param {number | (() => number)} to
 */
function part(from, to) {
  /** @param {number | (() => number)} instant */
  const read = (instant) => (typeof instant === "number" ? instant : instant());
  return h(
    "span",
    null,
    () => `${formatTime(read(from), zone.value)} – ${formatTime(read(to), zone.value)} `,
    h("b", null, () => formatHours((read(to) - read(from)) / 1000)),
  );
}

/**
 * @param {number} startedAt
 * @param {number} endedAt
 */
function middle(startedAt, endedAt) {
  const exact = (startedAt + endedAt) / 2;
  const round = Math.round(exact / STEP_MS) * STEP_MS;
  return round > startedAt && round < endedAt ? round : Math.floor(exact / 1000) * 1000;
}
