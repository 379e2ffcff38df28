// How the page looks and how time is tracked.

import { h } from "../../lib/dom.js";
import { notify } from "../../parts/notice.js";
import { profile, updateProfile } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { form, input, select } from "./forms.js";

const POLICIES = /** @type {const} */ (["allow", "warn", "forbid"]);
const THEMES = /** @type {const} */ (["system", "light", "dark"]);

export function preferencesSection() {
  return () => {
    const user = profile.value;
    return user && preferencesForm(user.preferences);
  };
}

/** @param {import("../../types").Preferences} stored */
function preferencesForm(stored) {
  const number = (/** @type {number} */ value, /** @type {number} */ min, /** @type {number} */ max) =>
    input({ type: "number", value, min, max, inputmode: "numeric" });
  const inputs = {
    locale: select(
      [
        ["", t("settings.locale_browser")],
        ["en", "English"],
        ["de", "Deutsch"],
      ],
      stored.locale ?? "",
    ),
    theme: select(
      THEMES.map((theme) => [theme, t(`settings.theme_${theme}`)]),
      stored.theme,
    ),
    overlap_policy: select(
      POLICIES.map((policy) => [policy, t(`settings.overlap_${policy}`)]),
      stored.overlap_policy,
    ),
    timer_cap_hours: number(stored.timer_cap_hours, 1, 744),
    snap_minutes: number(stored.snap_minutes, 5, 60),
    idle_minutes: number(stored.idle_minutes, 0, 240),
  };
  const shortcuts = h("input", { type: "checkbox", checked: stored.shortcuts });

  async function save() {
    await updateProfile({
      preferences: {
        locale: inputs.locale.value || null,
        theme: inputs.theme.value,
        overlap_policy: inputs.overlap_policy.value,
        timer_cap_hours: inputs.timer_cap_hours.valueAsNumber,
        snap_minutes: inputs.snap_minutes.valueAsNumber,
        idle_minutes: inputs.idle_minutes.valueAsNumber,
        shortcuts: shortcuts.checked,
      },
    });
    notify(t("settings.saved"));
  }

  return form({
    fields: [
      { name: "locale", label: t("settings.locale"), input: inputs.locale },
      { name: "theme", label: t("settings.theme"), input: inputs.theme },
      { name: "overlap_policy", label: t("settings.overlap"), input: inputs.overlap_policy },
      {
        name: "timer_cap_hours",
        label: t("settings.timer_cap"),
        input: inputs.timer_cap_hours,
        hint: t("settings.timer_cap_hint"),
      },
      { name: "snap_minutes", label: t("settings.snap"), input: inputs.snap_minutes },
      { name: "idle_minutes", label: t("settings.idle"), input: inputs.idle_minutes, hint: t("settings.idle_hint") },
    ],
    more: h("label", { class: "check" }, shortcuts, t("settings.shortcuts")),
    submit: t("common.save"),
    onsubmit: save,
  });
}
