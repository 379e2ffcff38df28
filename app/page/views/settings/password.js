// Change the password.

import { changePassword } from "../../store/account.js";
import { t } from "../../text/index.js";
import { form, input } from "./forms.js";

export function passwordSection() {
  const current = input({ type: "password", autocomplete: "current-password" });
  const next = input({ type: "password", autocomplete: "new-password" });
  return form({
    fields: [
      { name: "current_password", label: t("settings.current_password"), input: current },
      { name: "new_password", label: t("settings.new_password"), input: next, hint: t("settings.password_hint") },
    ],
    submit: t("settings.change_password"),
    onsubmit: () => changePassword({ current_password: current.value, new_password: next.value }),
  });
}
