// Calendar feeds: addresses that a calendar program subscribes to.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { choiceField } from "../../parts/submission.js";
import { createIn } from "../../store/account.js";
import { zone } from "../../store/profile.js";
import { projects } from "../../store/projects.js";
import { t } from "../../text/index.js";
import { formatDateTime } from "../../time/format.js";
import { accountList, form, input, revokeButton, secretField } from "./forms.js";

const LIST = "calendar-feeds";

export function calendarSection() {
  const address = signal("");
  const list = accountList({ list: LIST, empty: t("settings.no_calendars"), row });
  const name = input({ maxlength: 100 });
  const projectId = signal("");
  const project = choiceField(projectId, () => [
    ["", t("settings.all_projects")],
    ...projects.value.map(({ id, name }) => [id, name]),
  ]);

  async function create() {
    const created = await createIn(LIST, {
      name: name.value,
      ...(projectId.peek() ? { project_id: projectId.peek() } : {}),
    });
    address.value = created.url;
    list.reload();
  }

  return [
    h("p", { class: "muted" }, t("settings.calendars_hint")),
    form({
      fields: [
        { name: "name", label: t("settings.name"), input: name, stored: () => "" },
        { name: "project_id", label: t("timer.project"), input: project },
      ],
      submit: t("settings.create_calendar"),
      onsubmit: create,
    }),
    () => address.value && secretField(t("settings.calendar_address"), address.value),
    list.element,
  ];
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<import("../../types").CalendarFeed>} feed
 * @param {() => void} reload
 */
function row(feed, reload) {
  return [
    h("div", { class: "settings-item-text" }, [
      h("strong", null, () => feed.value.name),
      h("p", { class: "muted" }, () =>
        t("settings.created", { at: formatDateTime(Date.parse(feed.value.created_at), zone.value) }),
      ),
    ]),
    revokeButton(LIST, feed, reload),
  ];
}
