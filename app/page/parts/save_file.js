// Saving a downloaded file on the machine of the person.

import { h } from "../lib/dom.js";

/** @param {{blob: Blob, name: string}} file */
export function saveFile({ blob, name }) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  // The browser has taken the file over when the click is done.
  setTimeout(() => URL.revokeObjectURL(href), 0);
}
