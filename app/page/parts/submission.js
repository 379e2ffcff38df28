// The submission of a form, choices whose options change, what is wrong with its fields, and the focus after an action that
// took its time.

import { ApiError } from "../api.js";
import { each, h } from "../lib/dom.js";
import { effect } from "../lib/signal.js";
import { t } from "../text/index.js";
import { describeFailure, notify } from "./notice.js";

let errorCount = 0;

/**
 * Return the listener for the submission of a form in a dialog. A second submission does nothing while the first one is
 * stored, and the fields take no input: the dialog closes with what it holds.
 *
 * @param {object} options
 * @param {() => boolean} options.check Says what is wrong before anything is sent.
 * @param {() => Promise<unknown>} options.save Stores the form and closes the dialog.
 * @param {(failure: unknown) => void} options.onfailure Shows in the form why it was not stored.
 */
export function submission({ check, save, onfailure }) {
  let isStoring = false;
  return async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (isStoring || !check()) return;
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    const fields = /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll(":scope > :not(.form-actions)"));
    const button = form.querySelector("button[type=submit]");
    function release() {
      for (const each of fields) each.inert = false;
      if (document.activeElement === button) focused.focus();
      isStoring = false;
    }
    isStoring = true;
    if (button instanceof HTMLElement) button.focus();
    for (const each of fields) each.inert = true;
    try {
      await save();
      release();
    } catch (failure) {
      release();
      // The person may have closed the dialog meanwhile.
      if (form.isConnected) onfailure(failure);
      else notify(describeFailure(failure), { isError: true });
    }
  };
}

/**
 * Create a select whose options can change. What is chosen stays chosen; if its option goes, the first one is chosen.
 *
 * @param {import("../lib/signal.js").Signal<string>} chosen
 * @param {() => readonly (readonly string[])[]} options Values with their texts.
 * @param {import("../lib/dom.js").Attributes} [attributes]
 */
export function choiceField(chosen, options, attributes = {}) {
  function onchange() {
    chosen.value = select.value;
  }
  const select = each(
    h("select", { ...attributes, onchange }),
    options,
    ([value = ""]) => value,
    (option) => h("option", { value: option.peek()[0] }, () => option.value[1]),
  );
  effect(() => {
    const values = options().map(([value = ""]) => value);
    if (!values.includes(chosen.peek())) chosen.value = values[0] ?? "";
    select.value = chosen.peek();
  });
  effect(() => {
    select.value = chosen.value;
  });
  return select;
}

/**
 * Return what the service refuses by field, as people read it. The key "" is for the form as a whole.
 *
 * @param {unknown} error
 * @param {readonly string[]} names The fields of the form, as the body names them.
 * @returns {Record<string, string>}
 */
export function describeByField(error, names) {
  const findings = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  /** @type {Record<string, string>} */
  const found = {};
  for (const { pointer, detail } of findings) {
    const parts = pointer?.split("/") ?? [];
    const name = parts.findLast((part) => names.includes(part)) ?? "";
    found[name] = found[name] ? `${found[name]} ${detail}` : detail;
  }
  return Object.keys(found).length > 0 ? found : { "": describeFailure(error) };
}

/**
 * Create the text that says what is wrong with a field, and mark the field with it.
 *
 * @param {() => string} text "" while nothing is wrong.
 * @param {readonly HTMLElement[]} controls The inputs of the field. What describes them already still does.
 */
export function fieldError(text, ...controls) {
  errorCount += 1;
  const id = `field-error-${errorCount}`;
  for (const control of controls) {
    const hint = control.getAttribute("aria-describedby");
    control.setAttribute("aria-describedby", hint ? `${hint} ${id}` : id);
    effect(() => control.setAttribute("aria-invalid", String(text() !== "")));
  }
  return h("span", { id, class: "form-error", role: "alert" }, text);
}

/**
 * Move the focus after an action has been answered, unless the person is somewhere else by now.
 *
 * @param {Element | null} from Where the action was started.
 * @param {HTMLElement} to
 */
export function moveFocus(from, to) {
  const focused = document.activeElement;
  if (focused === document.body || from?.contains(focused)) to.focus();
}

/**
 * Create the button that shows more rows of a list. If it has the focus when it goes, the first of the rows that it has
 * shown gets it.
 *
 * @param {Element} list
 * @param {object} options
 * @param {() => boolean} options.hasMore
 * @param {() => void} options.more Shows them.
 * @param {() => string} [options.text]
 * @param {string} [options.name] A class.
 */
export function moreButton(list, { hasMore, more, text = () => t("common.more"), name }) {
  let count = 0;
  function show() {
    count = list.childElementCount;
    more();
  }
  const button = h("button", { type: "button", class: name, onclick: show }, text);
  hideButton(
    button,
    () => !hasMore(),
    () => list.children[count] ?? list.lastElementChild,
  );
  return button;
}

/**
 * Hide a button at times. If it has the focus then, another element gets it.
 *
 * @param {HTMLElement} button
 * @param {() => boolean} isHidden
 * @param {() => Element | null} target
 */
export function hideButton(button, isHidden, target) {
  effect(() => {
    // A hidden element has no focus any more.
    const hadFocus = document.activeElement === button;
    button.hidden = isHidden();
    if (!button.hidden || !hadFocus) return;
    // Other effects of the same change have not added the target yet.
    queueMicrotask(() => {
      const element = target();
      if (!(element instanceof HTMLElement)) return;
      element.tabIndex = -1;
      element.focus();
    });
  });
}
