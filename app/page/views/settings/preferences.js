// How the page looks and how time is tracked.

import { h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { notify } from "../../parts/notice.js";
import { updateProfile } from "../../store/account.js";
import { t } from "../../text/index.js";
import { form, input, select, withProfile } from "./forms.js";

const POLICIES = /** @type {const} */ (["allow", "warn", "forbid"]);
const THEMES = /** @type {const} */ (["system", "light", "dark"]);

export function preferencesSection() {
  return withProfile(preferencesForm);
}

/** @param {() => import("../../types").User} user */
function preferencesForm(user) {
  const stored = () => user().preferences;
  const number = (/** @type {number} */ min, /** @type {number} */ max) =>
    input({ type: "number", min, max, inputmode: "numeric" });
  const inputs = {
    locale: select([
      ["", t("settings.locale_browser")],
      ["en", "English"],
      ["de", "Deutsch"],
    ]),
    theme: select(THEMES.map((theme) => [theme, t(`settings.theme_${theme}`)])),
    overlap_policy: select(POLICIES.map((policy) => [policy, t(`settings.overlap_${policy}`)])),
    timer_cap_hours: number(1, 744),
    snap_minutes: number(5, 60),
    idle_minutes: number(0, 240),
  };
  const hasShortcuts = computed(() => stored().shortcuts);
  const shortcuts = h("input", { type: "checkbox", checked: () => hasShortcuts.value });

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
      { name: "locale", label: t("settings.locale"), input: inputs.locale, stored: () => stored().locale ?? "" },
      { name: "theme", label: t("settings.theme"), input: inputs.theme, stored: () => stored().theme },
      {
        name: "overlap_policy",
        label: t("settings.overlap"),
        input: inputs.overlap_policy,
        stored: () => stored().overlap_policy,
      },
      {
        name: "timer_cap_hours",
        label: t("settings.timer_cap"),
        input: inputs.timer_cap_hours,
        stored: () => String(stored().timer_cap_hours),
        hint: t("settings.timer_cap_hint"),
      },
      {
        name: "snap_minutes",
        label: t("settings.snap"),
        input: inputs.snap_minutes,
        stored: () => String(stored().snap_minutes),
      },
      {
        name: "idle_minutes",
        label: t("settings.idle"),
        input: inputs.idle_minutes,
        hint: t("settings.idle_hint"),
        stored: () => String(stored().idle_minutes),
      },
    ],
    more: h("label", { class: "check" }, shortcuts, t("settings.shortcuts")),
    submit: t("common.save"),
    onsubmit: save,
  });
}
