// Name, address, time zone and week.

import { notify } from "../../parts/notice.js";
import { updateProfile } from "../../store/account.js";
import { t } from "../../text/index.js";
import { formatDay } from "../../time/format.js";
import { addDays } from "../../time/zones.js";
import { form, input, select, withProfile } from "./forms.js";

const A_MONDAY = "2026-01-05";
/** The zones that the browser knows. */
const ZONES = [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])].sort();

export function profileSection() {
  return withProfile(profileForm);
}

/** @param {() => import("../../types").User} user */
function profileForm(user) {
  const inputs = {
    full_name: input({ autocomplete: "name", maxlength: 200 }),
    email: input({ type: "email", autocomplete: "email" }),
    current_password: input({ type: "password", autocomplete: "current-password" }),
    timezone: select(ZONES.map((zone) => [zone, zone])),
    week_start: select(
      Array.from({ length: 7 }, (_, day) => [day, formatDay(addDays(A_MONDAY, day), { weekday: "long" })]),
    ),
  };

  async function save() {
    const isNewAddress = inputs.email.value !== user().email;
    await updateProfile({
      full_name: inputs.full_name.value.trim() || null,
      timezone: inputs.timezone.value,
      week_start: Number(inputs.week_start.value),
      ...(isNewAddress ? { email: inputs.email.value, current_password: inputs.current_password.value } : {}),
    });
    notify(t("settings.saved"));
  }

  return form({
    fields: [
      {
        name: "full_name",
        label: t("settings.full_name"),
        input: inputs.full_name,
        stored: () => user().full_name ?? "",
      },
      { name: "email", label: t("sign_in.email"), input: inputs.email, stored: () => user().email },
      {
        name: "current_password",
        label: t("settings.current_password"),
        input: inputs.current_password,
        stored: () => "",
        hint: t("settings.email_needs_password"),
      },
      { name: "timezone", label: t("settings.timezone"), input: inputs.timezone, stored: () => user().timezone },
      {
        name: "week_start",
        label: t("settings.week_start"),
        input: inputs.week_start,
        stored: () => String(user().week_start),
      },
    ],
    submit: t("common.save"),
    onsubmit: save,
  });
}
