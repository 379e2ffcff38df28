// Where the user is signed in.

import { h } from "../../lib/dom.js";
import { attemptOnce, notify } from "../../parts/notice.js";
import { removeFrom } from "../../store/account.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList, programName } from "./forms.js";

/** @typedef {import("../../lib/signal.js").ReadSignal<import("../../types").Session>} Session */

export function sessionsSection() {
  return accountList({ list: "auth/sessions", empty: "", row }).element;
}

/**
 * @param {Session} session
 * @param {() => void} reload
 */
function row(session, reload) {
  const name = () => programName(session.value.user_agent);
  const { id, current: isCurrent } = session.peek();
  async function end() {
    await removeFrom("auth/sessions", id);
    notify(t("settings.session_ended"));
    reload();
  }
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", { title: () => session.value.user_agent }, name),
      h("p", { class: "muted" }, [
        isCurrent ? `${t("settings.this_session")} · ` : "",
        () => t("settings.last_used", { at: formatDateTime(Date.parse(session.value.last_used_at), zone.value) }),
        () => (session.value.address ? ` · ${session.value.address}` : ""),
      ]),
    ]),
    isCurrent
      ? null
      : h(
          "button",
          {
            type: "button",
            class: "danger",
            "aria-label": () => t("settings.end_session_of", { name: name() }),
            onclick: attemptOnce(end),
          },
          t("nav.sign_out"),
        ),
  ];
}
