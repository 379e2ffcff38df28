// The tasks that were tracked last, one click away.

import { each, h } from "../../lib/dom.js";
import { recentTasks, timer } from "../../store/timer.js";
import { t } from "../../text/index.js";
import { projectDot } from "../icons.js";
import { startWork } from "./start_work.js";

const MAX_SHOWN = 5;

/** Create the list. The task that runs is not in it. */
export function recentTaskList() {
  const shown = () => recentTasks.value.filter((task) => task.id !== timer.value?.taskId).slice(0, MAX_SHOWN);
  return h(
    "div",
    { class: "recent", hidden: () => shown().length === 0 },
    each(h("ul", { class: "recent-list", "aria-label": t("timer.recent") }), shown, (task) => task.id, item),
  );
}

/** @param {import("../../lib/signal.js").ReadSignal<import("../../types").RecentTask>} task */
function item(task) {
  function run() {
    const { id, title, project_id } = task.peek();
    return startWork({ taskId: id, title, projectId: project_id });
  }
  return h(
    "li",
    null,
    h(
      "button",
      {
        type: "button",
        class: "chip",
        title: () => task.value.title,
        "aria-label": () => t("timer.continue", { title: task.value.title }),
        onclick: run,
      },
      () => projectDot(task.value.project_id),
      h("bdi", null, () => task.value.title),
    ),
  );
}
