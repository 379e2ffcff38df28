// Let the browser store a file.

import { h } from "../lib/dom.js";

/** A browser reads the file some time after the click. */
const LIFETIME_MS = 60_000;

/** @param {{blob: Blob, name: string}} file */
export function saveFile({ blob, name }) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), LIFETIME_MS);
}
