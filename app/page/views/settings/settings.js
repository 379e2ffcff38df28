// The view of the settings: one section at a time.

import { define, h } from "../../lib/dom.js";
import { untracked } from "../../lib/signal.js";
import { route } from "../../route.js";
import { t } from "../../text/index.js";
import { accountSection } from "./account.js";
import { auditSection } from "./audit.js";
import { calendarSection } from "./calendars.js";
import { passwordSection } from "./password.js";
import { preferencesSection } from "./preferences.js";
import { profileSection } from "./profile.js";
import { sessionsSection } from "./sessions.js";
import { tokensSection } from "./tokens.js";
import { webhooksSection } from "./webhooks.js";

/** @type {Record<string, () => import("../../lib/dom.js").Child>} */
const SECTIONS = {
  profile: profileSection,
  preferences: preferencesSection,
  password: passwordSection,
  sessions: sessionsSection,
  tokens: tokensSection,
  webhooks: webhooksSection,
  calendars: calendarSection,
  audit: auditSection,
  account: accountSection,
};

define("tt-settings", () => {
  const current = () => (route.value.rest in SECTIONS ? route.value.rest : "profile");
  return [
    h("div", { class: "view-header" }, h("h1", null, t("nav.settings"))),
    h("div", { class: "settings" }, [
      h("nav", { "aria-label": t("settings.sections") }, [
        h(
          "ul",
          { class: "settings-sections" },
          Object.keys(SECTIONS).map((name) =>
            h("li", null, [
              h(
                "a",
                { href: `#/settings/${name}`, "aria-current": () => (current() === name ? "page" : null) },
                t(`settings.${name}`),
              ),
            ]),
          ),
        ),
      ]),
      h("section", { class: "panel settings-section", "aria-labelledby": "settings-title" }, [
        h("h2", { id: "settings-title", tabindex: "-1" }, () => t(`settings.${current()}`)),
        () => {
          const section = SECTIONS[current()];
          return section && untracked(section);
        },
      ]),
    ]),
  ];
});
