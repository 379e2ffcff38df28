// Webhooks: addresses that are told what changes.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { confirm } from "../../parts/dialog.js";
import { attemptOnce, notify } from "../../parts/notice.js";
import { createIn, removeFrom, rotateSecret, sendTestEvent, updateWebhook } from "../../store/account.js";
import { t } from "../../text/index.js";
import { showDeliveries } from "./deliveries.js";
import { accountList, form, input, secretField } from "./forms.js";

/** @typedef {import("../../lib/signal.js").ReadSignal<import("../../types").Webhook>} Webhook */

const LIST = "webhooks";

export function webhooksSection() {
  const secret = signal("");
  const list = accountList({
    list: LIST,
    empty: t("settings.no_webhooks"),
    row: (/** @type {Webhook} */ webhook, reload) => row(webhook, reload, secret),
  });
  const url = input({ type: "url", inputmode: "url", placeholder: "https://" });
  const types = input();

  async function create() {
    const names = types.value.split(/[\s,]+/).filter((name) => name !== "");
    const created = await createIn(LIST, { url: url.value, ...(names.length > 0 ? { types: names } : {}) });
    secret.value = created.secret;
    list.reload();
  }

  return [
    h("p", { class: "muted" }, t("settings.webhooks_hint")),
    form({
      fields: [
        { name: "url", label: t("settings.webhook_url"), input: url, stored: () => "" },
        { name: "types", label: t("settings.webhook_types"), input: types, hint: t("settings.webhook_types_hint") },
      ],
      submit: t("settings.create_webhook"),
      onsubmit: create,
    }),
    () => secret.value && secretField(t("settings.webhook_secret"), secret.value),
    list.element,
  ];
}

/**
 * @param {Webhook} webhook
 * @param {() => void} reload
 * @param {import("../../lib/signal.js").Signal<string>} secret
 */
function row(webhook, reload, secret) {
  // Of two new secrets, the one that is shown must be the one that is valid: no action is run twice at once.
  const act = (/** @type {() => Promise<unknown>} */ action) =>
    attemptOnce(async () => {
      try {
        await action();
      } finally {
        reload();
      }
    });
  const { id } = webhook.peek();
  const button = (
    /** @type {() => string} */ text,
    /** @type {() => Promise<unknown>} */ action,
    isDangerous = false,
  ) =>
    h(
      "button",
      {
        type: "button",
        class: isDangerous ? "danger" : null,
        "aria-label": () => `${text()}: ${webhook.value.url}`,
        onclick: act(action),
      },
      text,
    );
  async function remove() {
    const texts = { yes: t("common.delete"), no: t("common.cancel"), isDangerous: true };
    if (await confirm(t("settings.delete_webhook_question"), texts)) await removeFrom(LIST, id);
  }
  async function rotate() {
    secret.value = await rotateSecret(id);
  }
  async function test() {
    await sendTestEvent(id);
    notify(t("settings.test_sent"));
  }
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", null, () => webhook.value.url),
      h("p", { class: "muted" }, () => {
        const { active, disabled_reason: reason, types } = webhook.value;
        return [
          t(active ? "settings.active" : "settings.paused"),
          reason && ` (${reason})`,
          ` · ${types?.join(", ") ?? t("settings.all_types")}`,
        ];
      }),
    ]),
    h("div", { class: "settings-item-actions" }, [
      button(() => t("settings.test"), test),
      button(
        () => t("settings.deliveries"),
        () => showDeliveries(webhook.peek()),
      ),
      button(
        () => t(webhook.value.active ? "settings.pause" : "settings.resume"),
        () => updateWebhook(id, { active: !webhook.peek().active }),
      ),
      button(() => t("settings.rotate"), rotate),
      button(() => t("common.delete"), remove, true),
    ]),
  ];
}
