// One cell of the timesheet: the time of a task on a day, typed as people write durations.

import { h } from "../../lib/dom.js";
import { effect, signal } from "../../lib/signal.js";
import { showText } from "../../parts/edit_field.js";
import { describeFailure, notify } from "../../parts/notice.js";
import { t } from "../../text/index.js";
import { formatHours, parseDuration } from "../../time/durations.js";

const MAX_DAY_SECONDS = 25 * 3600;
let count = 0;

/**
 * Create the field.
 *
 * @param {object} options
 * @param {() => string} options.label
 * @param {() => number} options.seconds What is stored.
 * @param {(seconds: number | null) => void} options.oninput What is typed, for the totals; null for what is stored.
 * @param {(seconds: number) => Promise<boolean>} options.onstore False when the person cancelled.
 */
export function cell({ label, seconds, oninput, onstore }) {
  count += 1;
  const errorId = `cell-error-${count}`;
  const error = signal("");
  const stored = () => (seconds() > 0 ? formatHours(seconds()) : "");
  /** What is being stored: the last of several changes. */
  let storing = /** @type {{text: string, seconds: number} | null} */ (null);

  const input = h("input", {
    type: "text",
    class: "timesheet-cell number",
    inputmode: "text",
    autocomplete: "off",
    maxlength: 12,
    "aria-label": label,
    "aria-invalid": () => (error.value ? "true" : null),
    "aria-describedby": () => (error.value ? errorId : null),
    onfocus: () => input.select(),
    oninput: () => oninput(typed()),
    onchange: () => void store(),
    onkeydown,
  });
  effect(() => {
    const text = stored();
    // What a person is typing stays, and so does what is being stored until the answer.
    if (storing === null) {
      if (!error.peek() && document.activeElement !== input) input.value = text;
      else if (input.dataset.stored === input.value) showText(input, text);
    }
    input.dataset.stored = text;
  });

  /** @returns {number | null} Null when the text is no duration. */
  function typed() {
    return input.value.trim() === "" ? 0 : parseDuration(input.value);
  }

  /**
   * Show what was stored, unless the person types on.
   *
   * @param {string} text
   * @param {string} before
   */
  function show(text, before) {
    if (input.value === before) showText(input, text);
    input.dataset.stored = text;
  }

  function restore() {
    input.value = stored();
    input.dataset.stored = input.value;
    error.value = "";
    oninput(null);
  }

  async function store() {
    // Enter in the last row stores, and the dialog that opens then takes the focus: this is the same change.
    if (storing?.text === input.value) return;
    const value = typed();
    if (value === null || value > MAX_DAY_SECONDS) {
      error.value = t("timesheet.no_duration");
      return;
    }
    error.value = "";
    if (formatHours(value) === formatHours(storing?.seconds ?? seconds())) {
      if (!storing) restore();
      return;
    }
    await send({ text: input.value, seconds: value });
  }

  /** @param {{text: string, seconds: number}} change */
  async function send(change) {
    const name = label();
    storing = change;
    const isLast = () => storing === change;
    try {
      if (await onstore(change.seconds)) show(formatHours(change.seconds), change.text);
      else if (isLast()) restore();
    } catch (failure) {
      if (!input.isConnected) notify(`${name}: ${describeFailure(failure)}`, { isError: true });
      else if (isLast()) {
        error.value = describeFailure(failure);
        oninput(null);
      }
    } finally {
      if (isLast()) storing = null;
    }
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    restore();
    input.select();
  }

  return h(
    "td",
    null,
    input,
    () => error.value && h("span", { id: errorId, class: "form-error timesheet-error", role: "alert" }, error.value),
  );
}
