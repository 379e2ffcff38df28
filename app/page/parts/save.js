// Let a person store what the page has: a file, or a text in the clipboard.

import { h } from "../lib/dom.js";

/** A browser reads the file some time after the click. */
const LIFETIME_MS = 60_000;

/** @param {{blob: Blob, name: string}} file */
export function saveFile({ blob, name }) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), LIFETIME_MS);
}

/**
 * Copy the text of a field, which is selected.
 *
 * @param {HTMLInputElement} field
 * @returns {Promise<boolean>} Whether it was copied.
 */
export async function copyText(field) {
  field.focus();
  field.select();
  // The clipboard of scripts exists on https and localhost only.
  if (!navigator.clipboard) return document.execCommand("copy");
  await navigator.clipboard.writeText(field.value);
  return true;
}
