// A field for tags: typed with commas between them, completed from the user's tags.

import { h } from "../lib/dom.js";
import { effect, signal, untracked } from "../lib/signal.js";
import { knownTags, loadTags } from "../store/tasks.js";
import { showText } from "./edit_field.js";

let count = 0;

/**
 * Create the field. A change is reported when the field is left or Enter is pressed.
 *
 * @param {object} options
 * @param {string} options.label
 * @param {import("../lib/signal.js").ReadSignal<string[]>} options.tags
 * @param {(tags: string[]) => void} options.onchange
 */
export function tagsField({ label, tags, onchange }) {
  let isTyped = false;
  let shown = "";
  function show() {
    shown = tags.value.join(", ");
    showText(input, shown);
  }
  const input = h("input", {
    type: "text",
    class: "tags-field",
    dir: "auto",
    "aria-label": label,
    placeholder: label,
    autocomplete: "off",
    oninput: () => {
      isTyped = true;
    },
    onchange: () => {
      isTyped = false;
      onchange(parseTags(input.value));
    },
    onblur: () => {
      isTyped = false;
      // What was typed and removed again is no change, but there may have been another one meanwhile.
      if (input.value === shown) untracked(show);
    },
  });
  effect(() => {
    // What is being typed stays.
    if (tags.value && !isTyped) show();
  });
  return h("span", { class: "tags-field-box" }, input, tagSuggestions(input));
}

/**
 * Let the browser complete the last of the tags that are typed in an input.
 *
 * @param {HTMLInputElement} input
 * @returns {HTMLDataListElement} To be placed next to the input.
 */
export function tagSuggestions(input) {
  count += 1;
  const id = `tags-${count}`;
  const typed = signal("");
  const isUsed = signal(false);
  input.setAttribute("list", id);
  function suggest() {
    isUsed.value = true;
    typed.value = input.value;
    void loadTags();
  }
  input.addEventListener("focus", suggest);
  input.addEventListener("input", suggest);
  // A browser compares the whole text: each suggestion repeats what stands before the last tag.
  function suggestions() {
    if (!isUsed.value) return null;
    const before = parseTags(typed.value.slice(0, typed.value.lastIndexOf(",") + 1));
    const rest = knownTags.value.filter((tag) => !before.includes(tag));
    return rest.map((tag) => h("option", { value: [...before, tag].join(", ") }));
  }
  return h("datalist", { id }, suggestions);
}

/**
 * @param {string} text
 * @returns {string[]} Without empty and repeated tags.
 */
export function parseTags(text) {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
}
