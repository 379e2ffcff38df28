// The task of an entry: its title is a button that becomes a combobox.

import { h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { projectDot } from "../../parts/icons.js";
import { taskPicker } from "../../parts/task_picker.js";
import { t } from "../../text/index.js";

/**
 * Create the cell.
 *
 * @param {import("../../lib/signal.js").ReadSignal<import("./day.js").Row>} row
 * @param {(choice: import("../../parts/task_picker.js").Choice) => Promise<boolean>} changeTask
 */
export function taskCell(row, changeTask) {
  const isEditing = signal(false);
  const cell = h(
    "span",
    { class: "entry-task" },
    () => projectDot(row.value.projectId),
    () => (isEditing.value ? editor() : title()),
  );
  return cell;

  function title() {
    return h(
      "button",
      {
        type: "button",
        class: "ghost entry-title",
        title: () => row.value.title,
        disabled: () => row.value.entry === null,
        onclick: edit,
      },
      h("bdi", null, () => row.value.title),
    );
  }

  function edit() {
    isEditing.value = true;
    cell.querySelector("input")?.focus();
  }

  /** @param {{hasFocus: boolean}} options */
  function finish({ hasFocus }) {
    if (!isEditing.peek()) return;
    isEditing.value = false;
    if (hasFocus) cell.querySelector("button")?.focus();
  }

  function editor() {
    const stored = row.peek().title;
    const text = signal(stored);
    const picker = taskPicker({
      label: t("entry.task"),
      text,
      current: () => stored,
      extra: (typed) => [
        {
          id: null,
          title: typed,
          projectId: row.peek().projectId,
          label: t("today.rename", { title: typed }),
          isRename: true,
        },
      ],
      // What is typed stays when it cannot be stored.
      onchoose: async (choice) => {
        const isDone = await changeTask(choice);
        // Another editor may be open by now, and in this one another title may have been typed.
        if (isDone && picker.element.isConnected && text.peek() === choice.title) finish({ hasFocus: true });
      },
      onleave: () => finish({ hasFocus: picker.input === document.activeElement }),
    });
    return picker.element;
  }
}
