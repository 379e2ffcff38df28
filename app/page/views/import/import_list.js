// The imports so far, each with its undo.

import { each, h } from "../../lib/dom.js";
import { confirm } from "../../parts/dialog.js";
import { attemptOnce, loadFailure, notify } from "../../parts/notice.js";
import { moreButton } from "../../parts/submission.js";
import { zone } from "../../store/profile.js";
import { pagedResource } from "../../store/resource.js";
import { listImports, undoImport } from "../../store/transfer.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { countsText } from "./counts.js";

/** @typedef {import("../../types").Import} Import */

export function importList() {
  const list = pagedResource(listImports, ["import"], 20);
  const heading = h("h2", { id: "imports-title", tabindex: "-1" }, t("import.list"));
  const rows = each(
    h("ul", { class: "import-list" }),
    () => list.data.value ?? [],
    (item) => String(item.id),
    (item) => importRow(item, heading),
  );
  return h("section", { class: "panel", "aria-labelledby": "imports-title" }, heading, [
    rows,
    () => list.error.value && loadFailure(list.error.value, list.reload),
    () => list.data.value?.length === 0 && h("p", { class: "muted" }, t("import.list_empty")),
    moreButton(rows, { hasMore: list.hasMore, more: attemptOnce(list.more) }),
  ]);
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<Import>} item
 * @param {HTMLElement} heading
 */
function importRow(item, heading) {
  const time = () => formatDateTime(Date.parse(item.value.created_at), zone.value);
  const run = attemptOnce(() => undo(item.peek(), heading));
  const canUndo = () => item.value.status === "done" && item.value.state === undefined;
  return h("li", { class: "import-item" }, [
    h("span", null, time),
    h("span", null, () => t(`import.format_${item.value.format}`)),
    h("span", { class: "muted" }, () => stateText(item.value)),
    h(
      "button",
      {
        type: "button",
        hidden: () => !canUndo(),
        "aria-label": () => t("import.undo_of", { time: time() }),
        onclick: run,
      },
      t("import.undo"),
    ),
  ]);
}

/** @param {Import} item */
function stateText(item) {
  if (item.status === "failed") return `${t("import.failed")} ${item.failure ?? ""}`;
  if (item.state) return t(`import.state_${item.state}`);
  return countsText(item.created);
}

/**
 * @param {Import} item
 * @param {HTMLElement} heading
 */
async function undo(item, heading) {
  const isSure = await confirm(t("import.undo_question"), {
    yes: t("import.undo"),
    no: t("common.cancel"),
    detail: t("import.undo_detail", { counts: countsText(item.created) }),
    isDangerous: true,
  });
  if (!isSure) return;
  try {
    const { removed, left } = await undoImport(item);
    const isAll = Object.values(left).every((count) => count === 0);
    const stays = isAll ? "" : ` ${t("import.undo_left", { counts: countsText(left) })}`;
    notify(t("import.undone", { counts: countsText(removed) }) + stays);
  } finally {
    heading.focus();
  }
}
