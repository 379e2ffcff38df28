// The question about a gap: what the timer shall make of time in which nobody was here. It blocks nothing.

import { h } from "../../lib/dom.js";
import { gap, keepGap, splitGap, stopBeforeGap } from "../../store/presence/idle.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatHours } from "../../time/durations.js";
import { formatTime } from "../../time/format.js";
import { attempt } from "../notice.js";

/** Create the region that holds the question while there is one. */
export function idleQuestion() {
  return h(
    "section",
    { class: "idle-question", "aria-label": t("idle.region"), role: "alert", hidden: () => !gap.value },
    () => {
      const asked = gap.value;
      if (!asked) return null;
      const from = formatTime(asked.from, zone.value);
      const duration = formatHours((asked.to - asked.from) / 1000);
      return [
        h("p", null, t("idle.question", { title: asked.title, from, duration })),
        h(
          "div",
          { class: "idle-actions" },
          h("button", { type: "button", onclick: keepGap }, t("idle.keep")),
          h("button", { type: "button", onclick: () => attempt(stopBeforeGap) }, t("idle.stop", { from })),
          h("button", { type: "button", onclick: () => attempt(splitGap) }, t("idle.split")),
        ),
      ];
    },
  );
}
