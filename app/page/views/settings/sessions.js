// Where the user is signed in.

import { h } from "../../lib/dom.js";
import { attemptOnce, notify } from "../../parts/notice.js";
import { removeFrom } from "../../store/account.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList, programName } from "./forms.js";

/** @typedef {import("../../types").Session} Session */

export function sessionsSection() {
  return accountList({ list: "auth/sessions", empty: "", row }).element;
}

/**
 * @param {Session} session
 * @param {() => void} reload
 */
function row(session, reload) {
  const name = programName(session.user_agent);
  async function end() {
    await removeFrom("auth/sessions", session.id);
    notify(t("settings.session_ended"));
    reload();
  }
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", { title: session.user_agent }, name),
      h("p", { class: "muted" }, [
        session.current ? `${t("settings.this_session")} · ` : "",
        t("settings.last_used", { at: formatDateTime(Date.parse(session.last_used_at), zone.value) }),
        session.address ? ` · ${session.address}` : "",
      ]),
    ]),
    session.current
      ? null
      : h(
          "button",
          {
            type: "button",
            class: "danger",
            "aria-label": t("settings.end_session_of", { name }),
            onclick: attemptOnce(end),
          },
          t("nav.sign_out"),
        ),
  ];
}
