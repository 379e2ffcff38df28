// Short messages at the edge of the page: what was done, with a way to undo it, and what failed.

import { ApiError, SignedOutError, UnreachableError } from "../api.js";
import { each, h } from "../lib/dom.js";
import { onCleanup, signal } from "../lib/signal.js";
import { t } from "../text/index.js";

/** @typedef {{id: string, text: string, isError: boolean, action: {label: string, run: () => void} | null}} Notice */

const SHOWN_MS = 8000;
const notices = signal(/** @type {Notice[]} */ ([]));
let count = 0;

/**
 * Show a message for some seconds.
 *
 * @param {string} text
 * @param {{isError?: boolean, action?: {label: string, run: () => void}}} [options]
 */
export function notify(text, { isError = false, action } = {}) {
  count += 1;
  const notice = { id: String(count), text, isError, action: action ?? null };
  notices.value = [...notices.peek().slice(-2), notice];
  setTimeout(() => dismiss(notice.id), SHOWN_MS);
}

/**
 * Show a message with the button "Undo".
 *
 * @param {string} text
 * @param {() => Promise<unknown>} undo
 */
export function notifyWithUndo(text, undo) {
  notify(text, { action: { label: t("common.undo"), run: () => void attempt(undo) } });
}

/**
 * Run an action of a person, and show its error.
 *
 * @param {() => Promise<unknown>} action
 * @returns {Promise<boolean>} Whether it succeeded.
 */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    notify(describeFailure(error), { isError: true });
    return false;
  }
}

/**
 * Return a listener that runs an action of a person and shows its error. Until the action has ended, it is not run again.
 *
 * @param {() => Promise<unknown>} action
 * @returns {() => Promise<void>}
 */
export function attemptOnce(action) {
  let isRunning = false;
  return async () => {
    if (isRunning) return;
    isRunning = true;
    await attempt(action);
    isRunning = false;
  };
}

/**
 * Return an error as people read it.
 *
 * @param {unknown} error
 */
export function describeError(error) {
  if (error instanceof UnreachableError) return t("error.unreachable");
  if (error instanceof SignedOutError) return t("sign_in.ended");
  if (error instanceof ApiError) {
    const details = error.problem.errors?.map((each) => each.detail) ?? [];
    const key = `problem.${error.code}`;
    const known = t(key);
    return known === key ? [error.message, ...details].join(" ") : known;
  }
  return t("error.unexpected", { detail: String(error) });
}

/**
 * Return the error of an action as people read it: whether anything was saved is part of it.
 *
 * @param {unknown} error
 */
export function describeFailure(error) {
  return error instanceof UnreachableError ? t("error.not_saved") : describeError(error);
}

/**
 * Create what stands in place of data that could not be loaded: the reason, and a button to try again.
 *
 * @param {unknown} error
 * @param {() => void} reload
 */
export function loadFailure(error, reload) {
  return h(
    "div",
    { class: "load-failure", role: "alert" },
    h("span", { class: "form-error" }, describeError(error)),
    retryButton(reload),
  );
}

/**
 * Create the button that tries again what has failed. If it has the focus when it goes, the button of the next failure
 * gets it, or the nearest heading.
 *
 * @param {() => void} retry
 * @param {string} [name] A class.
 */
export function retryButton(retry, name = "") {
  const button = h("button", { type: "button", class: `retry ${name}`, onclick: retry }, t("common.retry"));
  onCleanup(() => {
    if (document.activeElement !== button) return;
    const places = /** @type {Element[]} */ ([]);
    for (let place = button.parentElement; place; place = place.parentElement) places.push(place);
    queueMicrotask(() => focusNear(places));
  });
  return button;
}

/**
 * Move the focus to the button of the next failure, or to the nearest heading.
 *
 * @param {Element[]} places Where to look for them, the nearest first.
 */
function focusNear(places) {
  const near = places.filter((place) => place.isConnected);
  const headings = near.flatMap((place) => [...place.querySelectorAll("h1, h2, h3")]);
  const target = /** @type {HTMLElement | undefined} */ (near[0]?.querySelector(".retry") ?? headings[0]);
  // A heading needs the attribute.
  target?.setAttribute("tabindex", String(target.tabIndex));
  target?.focus();
}

/** The list of messages. It stands once in the page. A message that goes gives the focus back. */
export function noticeList() {
  let before = /** @type {HTMLElement | null} */ (null);
  /** @param {FocusEvent} event */
  function onfocusin({ relatedTarget }) {
    if (relatedTarget instanceof HTMLElement && !list.contains(relatedTarget)) before = relatedTarget;
  }
  const list = each(
    h("div", { class: "notices", role: "status", "aria-live": "polite", onfocusin }),
    () => notices.value,
    (notice) => notice.id,
    (notice) => {
      const { id, text, isError, action } = notice.peek();
      /** @param {{run: () => void}} chosen */
      function run(chosen) {
        dismiss(id);
        chosen.run();
      }
      const element = h(
        "div",
        { class: isError ? "notice is-error" : "notice" },
        h("span", null, text),
        action && h("button", { class: "quiet", onclick: () => run(action) }, action.label),
        h("button", { class: "quiet icon-button", "aria-label": t("common.close"), onclick: () => dismiss(id) }, "×"),
      );
      onCleanup(() => {
        if (!element.contains(document.activeElement)) return;
        if (before?.isConnected) before.focus();
        else focusNear([document.body]);
      });
      return element;
    },
  );
  return list;
}

/** @param {string} id */
function dismiss(id) {
  notices.value = notices.peek().filter((each) => each.id !== id);
}
