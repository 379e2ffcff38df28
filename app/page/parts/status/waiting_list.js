// The dialog with the changes that wait for the service and those that it refused.

import { each, h } from "../../lib/dom.js";
import { conflicts, discardChange, sendAgain, waiting } from "../../store/outgoing.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime, formatTime } from "../../time/format.js";
import { showDialog } from "../dialog.js";
import { attempt } from "../notice.js";
import { hideButton } from "../submission.js";

/** Show the dialog. */
export function showChanges() {
  return showDialog(t("waiting.title"), (close) => [
    h("p", { class: "muted" }, t("waiting.explanation")),
    each(
      h("ul", { class: "waiting-list" }),
      () => [...conflicts.value, ...waiting.value],
      (queued) => queued.id,
      item,
    ),
    h("div", { class: "form-actions" }, h("button", { type: "button", onclick: () => close() }, t("common.close"))),
  ]);
}

/** @param {import("../../lib/signal.js").ReadSignal<import("../../store/outgoing.js").QueuedChange>} queued */
function item(queued) {
  const { change, createdAt } = queued.peek();
  const isWaiting = () => !queued.value.refusal;
  const retry = h(
    "button",
    {
      type: "button",
      "aria-label": t("waiting.send_again", { label: change.label }),
      onclick: () => attempt(() => sendAgain(queued.peek())),
    },
    t("common.retry"),
  );
  hideButton(retry, isWaiting, () => retry.parentElement);
  return h(
    "li",
    { class: "waiting-item" },
    h(
      "div",
      null,
      h("strong", null, change.label),
      h("div", null, [actionText(change), timesText(change)].filter((text) => text).join(": ")),
      h("div", { class: "muted" }, formatDateTime(createdAt, zone.peek())),
      () => queued.value.refusal && h("div", { class: "form-error" }, refusalText(queued.value.refusal)),
    ),
    retry,
    h(
      "button",
      {
        type: "button",
        class: "danger",
        "aria-label": t("waiting.discard_one", { label: change.label }),
        onclick: () => attempt(() => discardChange(queued.peek())),
      },
      t("waiting.discard"),
    ),
  );
}

/**
 * Return what a change does, or "" for the timer: its label says it.
 *
 * @param {import("../../store/outgoing.js").Change} change
 */
function actionText({ method, path }) {
  const item = path.includes("time-entries") ? "entry" : /^(task|project)s\//.exec(path)?.[1];
  const action = /\/(split|move|restore)$/.exec(path)?.[1] ?? method.toLowerCase();
  return item ? t(`waiting.${item}_${action}`) : "";
}

/**
 * Return the times that a change sets, or "".
 *
 * @param {import("../../store/outgoing.js").Change} change
 */
function timesText({ body = {} }) {
  const instants = [body.started_at, body.ended_at ?? body.at].map((text) => Date.parse(String(text ?? "")));
  const [from, to] = instants.map((instant) => (Number.isNaN(instant) ? "" : formatTime(instant, zone.peek())));
  return from && to ? `${from} – ${to}` : from || to || "";
}

/** @param {{code: string, detail: string}} refusal */
function refusalText({ code, detail }) {
  if (code === "outdated") return t("waiting.outdated");
  if (code === "not_created") return t("waiting.not_created");
  return code === "after_refused" ? t("waiting.after_refused") : detail;
}
