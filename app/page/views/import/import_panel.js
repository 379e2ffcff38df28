// A file to import: chosen, checked by a dry run, then imported.

import { h } from "../../lib/dom.js";
import { effect, onCleanup, signal } from "../../lib/signal.js";
import { notify } from "../../parts/notice.js";
import { describeByField } from "../../parts/submission.js";
import { zone } from "../../store/profile.js";
import { followImport, previewImport, startImport } from "../../store/transfer.js";
import { t } from "../../text/index.js";
import { columnTable } from "./columns.js";
import { countsText } from "./counts.js";
import { fileField } from "./file_field.js";
import { readHeader } from "./header.js";
import { OPTION_NAMES, optionFields } from "./options.js";
import { report } from "./report.js";

/**
 * @typedef {import("../../types").Import} Import
 * @typedef {import("../../store/transfer.js").ImportOptions} ImportOptions
 * @typedef {ReturnType<typeof createState>} State
 */

/** @type {ImportOptions} */
const DEFAULTS = {
  format: "auto",
  timezone: "",
  dateOrder: "",
  currency: "",
  user: "",
  dayStart: "09:00",
  columns: {},
  isStrict: false,
};

function createState() {
  return {
    file: signal(/** @type {File | null} */ (null)),
    options: signal({ ...DEFAULTS, timezone: zone.peek() }),
    preview: signal(/** @type {Import | null} */ (null)),
    progress: signal(/** @type {Import | null} */ (null)),
    isBusy: signal(false),
    /** The headers of a file that the service cannot read as it is. */
    headers: signal(/** @type {string[]} */ ([])),
    /** What is wrong by form field; "" is for the file as a whole. */
    errors: signal(/** @type {Record<string, string>} */ ({})),
  };
}

/** Create the section with the file, its options, its dry run and its import. */
export function importPanel() {
  const state = createState();
  followFile(state);
  const left = new AbortController();
  onCleanup(() => left.abort());
  const run = () => void importFile(state, left.signal);
  return h("section", { class: "panel", "aria-labelledby": "import-title" }, [
    h("h2", { id: "import-title" }, t("import.file_title")),
    h("p", { class: "muted" }, t("import.intro")),
    fileField(state.file),
    () => state.file.value && optionFields(state.options, state.errors),
    h("p", { class: "form-error", role: "alert" }, () => state.errors.value[""] ?? ""),
    h("div", { role: "status" }, () =>
      state.isBusy.value && !state.progress.value ? h("p", { class: "is-late" }, t("import.checking")) : null,
    ),
    () => state.preview.value && report(state.preview.value),
    () => state.file.value && columnTable(state),
    () => state.preview.value && !state.progress.value && actions(state, state.preview.value, run),
    () => state.progress.value && progressBar(state),
  ]);
}

/**
 * Check the file again whenever it or an option changes. The last result stays until there is another one.
 *
 * @param {State} state
 */
function followFile(state) {
  const { file, options, preview, headers, isBusy, errors } = state;
  let checked = /** @type {File | null} */ (null);
  effect(() => {
    const [chosen, current] = [file.value, options.value];
    if (chosen !== checked) {
      checked = chosen;
      [preview.value, headers.value] = [null, []];
      // The headers of another file are others.
      if (Object.keys(current.columns).length > 0) options.value = { ...current, columns: {} };
    }
    errors.value = {};
    isBusy.value = chosen !== null;
    if (!chosen) return;
    const controller = new AbortController();
    onCleanup(() => controller.abort());
    void check(state, chosen, controller.signal);
  });
}

/**
 * @param {State} state
 * @param {File} file
 * @param {AbortSignal} signal Aborted when the result is no longer needed.
 */
async function check({ options, preview, headers, isBusy, errors }, file, signal) {
  try {
    const result = await previewImport(file, options.peek(), signal);
    if (!signal.aborted) preview.value = result;
  } catch (failure) {
    const found = await readHeader(file).catch(() => []);
    if (signal.aborted) return;
    [preview.value, headers.value] = [null, found];
    errors.value = describeByField(failure, [...OPTION_NAMES, "columns"]);
  }
  if (!signal.aborted) isBusy.value = false;
}

/**
 * @param {State} state
 * @param {Import} preview
 * @param {() => void} run
 */
function actions({ file, options, isBusy }, preview, run) {
  const { entries } = preview.created;
  const isRefused = entries === 0 || (options.peek().isStrict && preview.errors.length > 0);
  return h("div", { class: "form-actions" }, [
    isRefused && h("p", { class: "muted" }, t(entries === 0 ? "import.nothing" : "import.strict_errors")),
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          file.value = null;
        },
      },
      t("common.cancel"),
    ),
    h(
      "button",
      { type: "button", class: "primary", disabled: () => isRefused || isBusy.value, onclick: run },
      t("import.run", { count: entries }),
    ),
  ]);
}

/**
 * @param {State} state
 * @param {AbortSignal} signal Aborted when the view is left.
 */
async function importFile({ file, options, preview, progress, errors }, signal) {
  const [chosen, checked] = [file.peek(), preview.peek()];
  if (!chosen || !checked || progress.peek()) return;
  // Shown while the file is on its way: the import must not begin twice.
  progress.value = { ...checked, rows_done: 0 };
  try {
    const started = await startImport(chosen, options.peek());
    const done = await followImport(
      started,
      (current) => {
        progress.value = current;
      },
      signal,
    );
    if (done.status === "failed") throw new Error(done.failure ?? t("import.failed"));
    // Another file may be chosen by now.
    if (file.peek() === chosen) file.value = null;
    notify(t("import.done", { counts: countsText(done.created) }));
  } catch (failure) {
    if (!signal.aborted) errors.value = describeByField(failure, [...OPTION_NAMES, "columns"]);
  } finally {
    progress.value = null;
  }
}

/** @param {State} state */
function progressBar({ progress }) {
  const [rows, done] = [() => progress.value?.rows ?? 0, () => progress.value?.rows_done ?? 0];
  return h("div", { class: "import-progress" }, [
    h("progress", { "aria-label": t("import.progress"), max: () => rows() || 1, value: done }),
    h("span", { class: "muted" }, () => t("import.rows_done", { done: done(), rows: rows() })),
  ]);
}
