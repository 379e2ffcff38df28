// API tokens for programs of the user.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { createIn } from "../../store/account.js";
import { now } from "../../store/clock.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList, form, input, revokeButton, secretField, select } from "./forms.js";

const LIST = "auth/api-tokens";
const SCOPES = ["read", "write", "timer", "reports", "exports"];
const EXPIRIES = [30, 90, 365];
const DAY_MS = 86_400_000;

export function tokensSection() {
  const secret = signal("");
  const list = accountList({ list: LIST, empty: t("settings.no_tokens"), row });
  const name = input({ maxlength: 100 });
  const expiry = select(
    [...EXPIRIES.map((days) => [days, t("reports.expires_in", { count: days })]), ["", t("reports.expires_never")]].map(
      ([value, text]) => /** @type {[string, string]} */ ([String(value), String(text)]),
    ),
    90,
  );
  const scopes = SCOPES.map((scope) => ({
    scope,
    box: h("input", { type: "checkbox", checked: scope === "read" }),
  }));

  async function create() {
    const days = Number(expiry.value);
    const created = await createIn(LIST, {
      name: name.value,
      scopes: scopes.filter(({ box }) => box.checked).map(({ scope }) => scope),
      ...(days ? { expires_at: new Date(now() + days * DAY_MS).toISOString() } : {}),
    });
    secret.value = created.token;
    list.reload();
  }

  return [
    h("p", { class: "muted" }, t("settings.tokens_hint")),
    form({
      fields: [
        { name: "name", label: t("settings.name"), input: name, stored: () => "" },
        { name: "expires_at", label: t("settings.expires"), input: expiry },
      ],
      more: h("fieldset", { class: "checks" }, [
        h("legend", null, t("settings.scopes")),
        scopes.map(({ scope, box }) => h("label", { class: "check" }, box, t(`settings.scope_${scope}`))),
      ]),
      submit: t("settings.create_token"),
      onsubmit: create,
    }),
    () => secret.value && secretField(t("settings.token"), secret.value),
    list.element,
  ];
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<import("../../types").ApiToken>} token
 * @param {() => void} reload
 */
function row(token, reload) {
  const date = (/** @type {string} */ instant) => formatDateTime(Date.parse(instant), zone.value);
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", null, () => token.value.name),
      h("p", { class: "muted" }, () => {
        const { scopes, expires_at: expiry, last_used_at: last } = token.value;
        return [
          scopes.map((scope) => t(`settings.scope_${scope}`)).join(", "),
          ` · ${expiry ? t("settings.expires_at", { at: date(expiry) }) : t("reports.expires_never")}`,
          ` · ${last ? t("settings.last_used", { at: date(last) }) : t("settings.never_used")}`,
        ];
      }),
    ]),
    revokeButton(LIST, token, reload),
  ];
}
