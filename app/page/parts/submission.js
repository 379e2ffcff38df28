// The submission of a form in a dialog, and the focus after an action that took its time.

import { describeFailure, notify } from "./notice.js";

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
 * Move the focus after an action has been answered, unless the person is somewhere else by now.
 *
 * @param {Element | null} from Where the action was started.
 * @param {HTMLElement} to
 */
export function moveFocus(from, to) {
  const focused = document.activeElement;
  if (focused === document.body || from?.contains(focused)) to.focus();
}
