// The choice of a file: by its button, or dropped on it.

import { h } from "../../lib/dom.js";
import { effect, signal } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { formatNumber } from "../../time/format.js";

/** @param {import("../../lib/signal.js").Signal<File | null>} file */
export function fileField(file) {
  const isOver = signal(false);
  const input = h("input", {
    type: "file",
    class: "file-input",
    onchange: () => {
      file.value = input.files?.[0] ?? null;
    },
  });
  effect(() => {
    // The same file can be chosen again.
    if (file.value === null) input.value = "";
  });
  /** @param {DragEvent} event */
  function ondrop(event) {
    event.preventDefault();
    isOver.value = false;
    file.value = event.dataTransfer?.files[0] ?? file.peek();
  }
  return h(
    "label",
    {
      class: () => (isOver.value ? "drop-zone is-over" : "drop-zone"),
      ondragover: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        isOver.value = true;
      },
      ondragleave: () => {
        isOver.value = false;
      },
      ondrop,
    },
    h("strong", null, t("import.file")),
    input,
    h("span", { class: "muted" }, () => (file.value ? sizeOf(file.value) : t("import.drop"))),
  );
}

/** @param {File} file */
function sizeOf(file) {
  return formatNumber(Math.ceil(file.size / 1024), { style: "unit", unit: "kilobyte" });
}
