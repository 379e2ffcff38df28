// What a webhook was sent lately.

import { h } from "../../lib/dom.js";
import { showDialog } from "../../parts/dialog.js";
import { attemptOnce } from "../../parts/notice.js";
import { hideButton } from "../../parts/submission.js";
import { retryDelivery } from "../../store/account.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList } from "./forms.js";

/** @typedef {import("../../lib/signal.js").ReadSignal<import("../../types").Delivery>} Delivery */

/** @param {import("../../types").Webhook} webhook */
export function showDeliveries(webhook) {
  return showDialog(t("settings.deliveries"), (close) => [
    h("p", { class: "muted" }, webhook.url),
    accountList({
      list: `webhooks/${webhook.id}/deliveries`,
      empty: t("settings.no_deliveries"),
      row: (/** @type {Delivery} */ delivery, reload) => row(webhook.id, delivery, reload),
    }).element,
    h("div", { class: "form-actions" }, h("button", { type: "button", onclick: () => close() }, t("common.close"))),
  ]);
}

/**
 * @param {string} webhookId
 * @param {Delivery} delivery
 * @param {() => void} reload
 */
function row(webhookId, delivery, reload) {
  async function retry() {
    try {
      await retryDelivery(webhookId, delivery.peek().id);
    } finally {
      reload();
    }
  }
  const isDelivered = () => delivery.value.status === "delivered";
  const button = h(
    "button",
    {
      type: "button",
      onclick: attemptOnce(retry),
      "aria-label": () => `${t("common.retry")}: ${delivery.value.type}`,
    },
    t("common.retry"),
  );
  hideButton(button, isDelivered, () => button.parentElement);
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", null, () => `${delivery.value.type} · ${t(`settings.delivery_${delivery.value.status}`)}`),
      () => lastAttempt(delivery.value.attempts),
    ]),
    button,
  ];
}

/** @param {import("../../types").Delivery["attempts"]} attempts */
function lastAttempt(attempts) {
  const last = attempts.at(-1);
  if (!last) return null;
  return h("p", { class: "muted" }, [
    `${formatDateTime(Date.parse(last.at), zone.value)} · `,
    last.error ?? t("settings.status", { status: last.status_code ?? "" }),
  ]);
}
