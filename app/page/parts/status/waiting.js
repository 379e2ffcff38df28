// How many changes wait for the service, and how many it refused.

import { isReachable } from "../../api.js";
import { busyUntil } from "../../busy.js";
import { h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { conflicts, waiting } from "../../store/outgoing.js";
import { zone } from "../../store/profile.js";
import { t } from "../../text/index.js";
import { formatTime } from "../../time/format.js";
import { attempt } from "../notice.js";

/** Return when the page goes on while the service is busy, or "". */
export function busyText() {
  const until = busyUntil.value;
  if (until === null || !isReachable.value) return "";
  return t("waiting.busy", { time: formatTime(until, zone.value, { hasSeconds: true }) });
}

/** Create the line that says how many changes wait, with the way to those that were refused. */
export function waitingStatus() {
  const reason = computed(() => (isReachable.value ? busyText() : t("error.unreachable")));
  return h(
    "div",
    {
      class: "waiting",
      role: "status",
      hidden: () => waiting.value.length === 0 && conflicts.value.length === 0 && reason.value === "",
    },
    h("span", null, () => {
      if (waiting.value.length === 0) return reason.value;
      return [t("waiting.count", { count: waiting.value.length }), busyText() && ` ${busyText()}`];
    }),
    h(
      "button",
      {
        type: "button",
        class: () => (conflicts.value.length > 0 ? "danger" : "quiet"),
        hidden: () => waiting.value.length + conflicts.value.length === 0,
        onclick: showChanges,
      },
      () =>
        conflicts.value.length > 0 ? t("waiting.conflicts", { count: conflicts.value.length }) : t("waiting.show"),
    ),
  );
}

async function showChanges() {
  await attempt(async () => (await import("./waiting_list.js")).showChanges());
}
