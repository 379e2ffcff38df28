// Modal dialogs. The native element keeps the focus inside and gives it back.

import { h } from "../lib/dom.js";
import { scope, untracked } from "../lib/signal.js";
import { attempt } from "./notice.js";

let count = 0;

/**
 * Show a dialog until it is closed.
 *
 * @template T
 * @param {string} title
 * @param {(close: (result?: T) => void) => import("../lib/dom.js").Child} content Called once. An element with the
 *   attribute `autofocus` gets the focus.
 * @returns {Promise<T | undefined>} What `close` was called with; undefined after Escape.
 */
export function showDialog(title, content) {
  count += 1;
  const titleId = `dialog-${count}`;
  return new Promise((resolve) => {
    /** @type {T | undefined} */
    let result;
    const [dialog, dispose] = scope(() => {
      const element = h(
        "dialog",
        {
          "aria-labelledby": titleId,
          onclose: () => {
            element.remove();
            dispose();
            resolve(result);
          },
        },
        h("h2", { id: titleId }, title),
      );
      element.append(
        h("div", { class: "dialog-body" }, () =>
          // A signal that the content reads must not create it again: what is typed would be lost.
          untracked(() =>
            content((value) => {
              result = value;
              element.close();
            }),
          ),
        ),
      );
      return element;
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Ask a question. Escape answers no.
 *
 * @param {string} question
 * @param {{yes: string, no: string, detail?: string, isDangerous?: boolean}} texts
 * @returns {Promise<boolean>}
 */
export async function confirm(question, { yes, no, detail, isDangerous = false }) {
  const answer = await showDialog(question, (/** @type {(answer?: boolean) => void} */ close) => [
    detail && h("p", null, detail),
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: () => close(false) }, no),
      h(
        "button",
        { type: "button", class: isDangerous ? "danger" : "primary", autofocus: true, onclick: () => close(true) },
        yes,
      ),
    ),
  ]);
  return answer === true;
}

/**
 * Show the dialog of an entry. Its module is loaded when it is needed.
 *
 * @param {import("./entry_dialog.js").Draft} draft
 */
export async function openEntryDialog(draft) {
  await attempt(async () => (await import("./entry_dialog.js")).editEntry(draft));
}
