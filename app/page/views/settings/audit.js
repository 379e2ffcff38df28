// What happened to the account.

import { h } from "../../lib/dom.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList, programName } from "./forms.js";

export function auditSection() {
  return accountList({ list: "users/me/audit", empty: "", row }).element;
}

/** @param {import("../../lib/signal.js").ReadSignal<import("../../types").AuditEvent>} item It does not change. */
function row(item) {
  const { event, at, address, user_agent, detail } = item.peek();
  const name = typeof detail.name === "string" ? `: ${detail.name}` : "";
  return h("div", { class: "settings-item-text" }, [
    h("strong", null, `${t(`audit.${event}`)}${name}`),
    h("p", { class: "muted" }, [
      formatDateTime(Date.parse(at), zone.value),
      ` · ${address} · `,
      h("span", { title: user_agent }, programName(user_agent)),
    ]),
  ]);
}
