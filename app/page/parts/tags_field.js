// A field for tags: typed with commas between them, completed from the user's tags.

import { h } from "../lib/dom.js";
import { knownTags, loadTags } from "../store/tags.js";

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
  count += 1;
  const listId = `tags-${count}`;
  const input = h("input", {
    type: "text",
    class: "tags-field",
    "aria-label": label,
    placeholder: label,
    autocomplete: "off",
    list: listId,
    value: () => tags.value.join(", "),
    onfocus: () => void loadTags(),
    onchange: () => onchange(parseTags(input.value)),
  });
  return h("span", { class: "tags-field-box" }, input, h("datalist", { id: listId }, suggestions));

  function suggestions() {
    return knownTags.value.map((tag) => h("option", { value: tag }));
  }
}

/**
 * @param {string} text
 * @returns {string[]} Without empty and repeated tags.
 */
export function parseTags(text) {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
}
