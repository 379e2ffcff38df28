// One entry that needs review: why, the suggested end, and what to do with it.

import { h } from "../../../lib/dom.js";
import { effect, signal } from "../../../lib/signal.js";
import { projectDot } from "../../../parts/icons.js";
import { notifyWithUndo } from "../../../parts/notice.js";
import { describeWriteError } from "../../../parts/overlaps.js";
import { moveFocus } from "../../../parts/submission.js";
import { deleteEntry, restoreEntry, updateEntry } from "../../../store/entries.js";
import { preferences, zone } from "../../../store/profile.js";
import { t } from "../../../text/index.js";
import { formatHours } from "../../../time/durations.js";
import { formatDateTime, formatTime } from "../../../time/format.js";
import { dayOf, instantOf, timeOf } from "../../../time/zones.js";

/**
 * @typedef {import("./review_list.js").Item} Item
 * @typedef {import("../../../lib/signal.js").ReadSignal<Item>} ItemSignal
 * @typedef {(id: string) => void} Hide
 */

/**
 * Create the item.
 *
 * @param {ItemSignal} item
 * @param {Hide} hide
 */
export function reviewItem(item, hide) {
  const { entry } = item.peek().reviewed;
  const [titleId, errorId, whyId] = ["title", "error", "why"].map((name) => `review-${name}-${entry.id}`);
  const state = createState(item);
  const act = (/** @type {() => Promise<void>} */ action) => run(action, { id: entry.id, state, hide });
  return h(
    "li",
    { class: "review-item", "data-review": entry.id, "aria-labelledby": titleId },
    h(
      "div",
      { class: "review-title" },
      h(
        "h3",
        { id: titleId },
        () => projectDot(item.value.reviewed.entry.project_id),
        h("bdi", null, () => item.value.reviewed.title),
      ),
      h("p", null, () => reasonOf(item.value)),
    ),
    h(
      "div",
      { class: "review-fields" },
      field(t("review.start"), state.start, state, errorId),
      field(t("review.end"), state.end, state, `${whyId} ${errorId}`),
      h("span", { class: "number" }, () => lengthOf(state)),
      h(
        "div",
        { class: "review-actions" },
        h(
          "button",
          { type: "button", class: "primary", onclick: () => act(() => change(item.peek(), state)) },
          t("review.change"),
        ),
        h("button", { type: "button", onclick: () => act(() => keep(item.peek())) }, t("review.keep")),
        h(
          "button",
          { type: "button", class: "danger", onclick: () => act(() => remove(item.peek())) },
          t("common.delete"),
        ),
      ),
    ),
    h("p", { id: whyId, class: "muted review-why" }, () => whyOf(item.value, state)),
    () => alternatives(item.value, state),
    h(
      "p",
      { id: errorId, class: "form-error", role: "alert", hidden: () => !state.error.value },
      () => state.error.value,
    ),
  );
}

/** @typedef {ReturnType<typeof createState>} State */

/** @param {ItemSignal} item */
function createState(item) {
  const start = signal("");
  const end = signal("");
  const error = signal("");
  let isTouched = false;
  /** @param {{startedAt: number, endedAt: number}} span */
  function show(span) {
    start.value = toLocal(span.startedAt);
    end.value = toLocal(span.endedAt);
  }
  effect(() => {
    const { suggestions, reviewed } = item.value;
    if (!isTouched) show(suggestions[0] ?? reviewed);
  });
  return {
    start,
    end,
    error,
    isActing: false,
    /** @param {{startedAt: number, endedAt: number}} span */
    choose(span) {
      isTouched = true;
      show(span);
    },
    touch() {
      isTouched = true;
    },
  };
}

/**
 * @param {string} label
 * @param {import("../../../lib/signal.js").Signal<string>} value
 * @param {State} state
 * @param {string | undefined} descriptionIds
 */
function field(label, value, state, descriptionIds) {
  const input = h("input", {
    type: "datetime-local",
    required: true,
    "aria-describedby": descriptionIds,
    "aria-invalid": () => (state.error.value ? "true" : null),
    value: () => value.value,
    oninput: () => {
      state.touch();
      value.value = input.value;
    },
  });
  return h("label", { class: "field" }, label, input);
}

/** @param {Item} item */
function reasonOf({ reviewed, isTooLong }) {
  const { startedAt, endedAt } = reviewed;
  const values = {
    from: formatDateTime(startedAt, zone.value),
    to: formatDateTime(endedAt, zone.value),
    duration: formatHours((endedAt - startedAt) / 1000),
    hours: preferences.value.timer_cap_hours ?? 12,
  };
  return t(isTooLong ? "review.too_long" : "review.overlaps", values);
}

/**
 * Say why this end is suggested.
 *
 * @param {Item} item
 * @param {State} state
 */
function whyOf({ suggestions, reviewed }, state) {
  const chosen = suggestions.find((each) => isShown(each, state));
  if (chosen) return why(chosen);
  return suggestions.length === 0 && isShown(reviewed, state) ? t("review.no_suggestion") : "";
}

/** @param {import("./suggestions.js").Suggestion} suggestion */
function why({ reason, title, seconds, startedAt, endedAt }) {
  return t(`review.why_${reason}`, {
    title,
    duration: formatHours(seconds),
    start: formatTime(startedAt, zone.value),
    end: formatTime(endedAt, zone.value),
  });
}

/**
 * The other suggestions, one click away.
 *
 * @param {Item} item
 * @param {State} state
 */
function alternatives({ suggestions }, state) {
  const others = suggestions.filter((each) => !isShown(each, state));
  if (others.length === 0) return null;
  return h(
    "ul",
    { class: "review-alternatives", "aria-label": t("review.alternatives") },
    others.map((each) =>
      h(
        "li",
        null,
        h(
          "button",
          { type: "button", class: "chip", onclick: (/** @type {Event} */ event) => use(event, each, state) },
          why(each),
        ),
      ),
    ),
  );
}

/**
 * @param {Event} event
 * @param {import("./suggestions.js").Suggestion} suggestion
 * @param {State} state
 */
function use(event, suggestion, state) {
  // The button goes: the focus moves to the field that it has filled.
  const item = /** @type {HTMLElement} */ (event.target).closest(".review-item");
  const field = item?.querySelector("label:nth-of-type(2) input");
  if (field instanceof HTMLElement) field.focus();
  state.choose(suggestion);
}

/** @param {{startedAt: number, endedAt: number}} span @param {State} state */
function isShown({ startedAt, endedAt }, state) {
  return toLocal(startedAt) === state.start.value && toLocal(endedAt) === state.end.value;
}

/** @param {State} state */
function lengthOf({ start, end }) {
  if (!start.value || !end.value) return "";
  const seconds = (fromLocal(end.value) - fromLocal(start.value)) / 1000;
  return seconds > 0 ? formatHours(seconds) : "";
}

/**
 * Return what the fields say. An untouched field has the seconds of its suggestion.
 *
 * @param {Item} item
 * @param {State} state
 */
function spanOf({ suggestions, reviewed }, { start, end }) {
  const known = [...suggestions, reviewed];
  const startedAt =
    known.find((each) => toLocal(each.startedAt) === start.peek())?.startedAt ?? fromLocal(start.peek());
  const endedAt = known.find((each) => toLocal(each.endedAt) === end.peek())?.endedAt ?? fromLocal(end.peek());
  return { startedAt, endedAt };
}

/** @param {Item} item @param {State} state */
async function change(item, state) {
  const { entry, title, startedAt, endedAt } = item.reviewed;
  if (!state.start.peek() || !state.end.peek()) throw new FieldError(t("entry.no_time"));
  const span = spanOf(item, state);
  if (span.endedAt <= span.startedAt) throw new FieldError(t("entry.ends_before_start"));
  await updateEntry(entry, { ...span, needsReview: false }, title);
  notifyWithUndo(t("review.changed", { title }), () =>
    updateEntry(entry, { startedAt, endedAt, needsReview: true }, title),
  );
}

/** @param {Item} item */
async function keep({ reviewed: { entry, title } }) {
  await updateEntry(entry, { needsReview: false }, title);
  notifyWithUndo(t("review.kept", { title }), () => updateEntry(entry, { needsReview: true }, title));
}

/** @param {Item} item */
async function remove({ reviewed: { entry, title } }) {
  await deleteEntry(entry, title);
  notifyWithUndo(t("today.deleted", { title }), () => restoreEntry(entry.id, title));
}

/** A field of the item is wrong. */
class FieldError extends Error {}

/**
 * Run an action. The item goes when it has succeeded.
 *
 * @param {() => Promise<void>} action
 * @param {{id: string, state: State, hide: Hide}} context
 */
async function run(action, { id, state, hide }) {
  if (state.isActing) return;
  state.isActing = true;
  try {
    await action();
    focusNext(id);
    hide(id);
    state.error.value = "";
  } catch (error) {
    state.error.value = error instanceof FieldError ? error.message : describeWriteError(error);
  }
  state.isActing = false;
}

/** Move the focus to the next item. @param {string} id */
function focusNext(id) {
  const item = document.querySelector(`[data-review="${CSS.escape(id)}"]`);
  const next = item?.nextElementSibling ?? item?.previousElementSibling;
  const target = next?.querySelector("button.primary") ?? document.querySelector("main h1");
  if (target instanceof HTMLElement) moveFocus(item, target);
}

/** @param {number} instant */
function toLocal(instant) {
  return `${dayOf(instant, zone.value)}T${timeOf(instant, zone.value)}`;
}

/** @param {string} text */
function fromLocal(text) {
  const [day = "", time = ""] = text.split("T");
  return instantOf(day, time, zone.value);
}
