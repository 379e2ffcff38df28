// The account as a whole: take everything along, or delete it.

import { h } from "../../lib/dom.js";
import { attemptOnce } from "../../parts/notice.js";
import { saveFile } from "../../parts/save.js";
import { deleteAccount, downloadAccount } from "../../store/account.js";
import { t } from "../../text/index.js";
import { form, input } from "./forms.js";

export function accountSection() {
  const save = attemptOnce(async () => saveFile(await downloadAccount()));
  const password = input({ type: "password", autocomplete: "current-password" });
  return [
    h("h3", null, t("settings.export_title")),
    h("p", { class: "muted" }, t("settings.export_hint")),
    h("button", { type: "button", onclick: save }, t("settings.export")),
    h("h3", { class: "danger-title" }, t("settings.delete_title")),
    h("p", null, t("settings.delete_hint")),
    form({
      fields: [{ name: "password", label: t("sign_in.password"), input: password }],
      submit: t("settings.delete_account"),
      isDangerous: true,
      onsubmit: () => deleteAccount(password.value),
    }),
  ];
}
