// A text field that is edited in place: stored by Enter or when it is left, restored by Escape.

import { h } from "../lib/dom.js";
import { effect, signal } from "../lib/signal.js";

/**
 * Create the field.
 *
 * It follows the stored text while nobody types in it. A refused text stays in the field, marked as invalid.
 *
 * @param {object} options
 * @param {string | (() => string)} options.label
 * @param {() => string} options.text The stored text, as people read it.
 * @param {(text: string) => Promise<string | null>} options.save Returns what is wrong with the text, or null.
 * @param {(error: string) => void} [options.onerror] Called with what is wrong; "" when nothing is.
 * @param {string} [options.errorId] The element that shows it.
 * @param {(steps: number) => string | null} [options.step] Returns the text after that many steps by the arrow keys.
 * @param {Record<string, any>} [options.attributes]
 * @returns {HTMLInputElement}
 */
export function editField({ label, text, save, onerror, errorId, step, attributes }) {
  const isDirty = signal(false);
  const isInvalid = signal(false);
  /** The stored text that was shown last. */
  let shown = "";
  /** The text whose storing is in progress. */
  let stored = /** @type {string | null} */ (null);
  /** The text that was refused: leaving the field does not send it again. */
  let refused = /** @type {string | null} */ (null);

  /** @param {string} error */
  function report(error) {
    isInvalid.value = error !== "";
    onerror?.(error);
  }

  async function commit() {
    const typed = input.value;
    if (!isDirty.peek() || typed === stored) return;
    // What was typed and removed again is no change: it must not replace another one that was made meanwhile. But while
    // another text is being stored, the one that was there before is a change too.
    if (stored === null && (typed === text() || typed === shown)) {
      restore();
      return;
    }
    stored = typed;
    const error = await save(typed);
    if (stored === typed) stored = null;
    refused = error === null ? null : typed;
    // Typed again in the meantime: that text is stored next.
    if (input.value !== typed) return;
    report(error ?? "");
    isDirty.value = error !== null;
  }

  function restore() {
    isDirty.value = false;
    input.value = text();
    report("");
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      void commit();
    } else if (event.key === "Escape" && isDirty.peek()) {
      event.stopPropagation();
      restore();
      input.select();
    } else if (direction && step) {
      const next = step(direction * (event.shiftKey ? 15 : 1));
      if (next === null) return;
      event.preventDefault();
      input.value = next;
      isDirty.value = true;
    }
  }

  const input = h("input", {
    type: "text",
    autocomplete: "off",
    dir: "auto",
    "aria-label": label,
    "aria-invalid": () => (isInvalid.value ? "true" : null),
    "aria-describedby": () => (isInvalid.value && errorId ? errorId : null),
    oninput: () => {
      isDirty.value = true;
    },
    onblur: () => {
      if (input.value !== refused) void commit();
    },
    onkeydown,
    ...attributes,
  });
  effect(() => {
    const current = text();
    if (isDirty.value) return;
    shown = current;
    showText(input, shown);
  });
  return input;
}

/**
 * Show another text in a field. If all of its text was selected, all of the new one is: what is typed next replaces it.
 *
 * @param {HTMLInputElement} field
 * @param {string} text
 */
export function showText(field, text) {
  if (field.value === text) return;
  const wasSelected = field.selectionStart === 0 && field.selectionEnd === field.value.length;
  field.value = text;
  if (wasSelected && document.activeElement === field) field.select();
}
