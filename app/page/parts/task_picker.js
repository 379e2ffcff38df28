// A combobox that finds tasks while one types (WAI-ARIA combobox with list autocomplete).

import { each, h } from "../lib/dom.js";
import { effect, onCleanup, signal } from "../lib/signal.js";
import { project } from "../store/projects.js";
import { findTasks } from "../store/tasks.js";
import { recentTasks } from "../store/timer.js";
import { t } from "../text/index.js";

/**
 * @typedef {{id: string | null, title: string, projectId: string | null}} Choice A task, or a new one without an id.
 */

const DELAY_MS = 120;
let count = 0;

/**
 * Create the combobox.
 *
 * @param {object} options
 * @param {string} options.label
 * @param {import("../lib/signal.js").Signal<string>} options.text What is typed.
 * @param {(choice: Choice) => void} options.onchoose Called by Enter or a click on a task.
 * @param {boolean} [options.allowsNew] Whether a title that is not there is offered as a new task.
 * @returns {{element: HTMLElement, focus: () => void, choose: () => Promise<void>}} `choose` takes what is typed.
 */
export function taskPicker({ label, text, onchoose, allowsNew = true }) {
  count += 1;
  const listId = `tasks-${count}`;
  const isOpen = signal(false);
  const found = signal(/** @type {Choice[]} */ ([]));
  const active = signal(-1);

  const choices = () => {
    const typed = text.value.trim();
    const isNew = allowsNew && typed !== "" && !found.value.some((each) => each.title === typed);
    return isNew ? [...found.value, { id: null, title: typed, projectId: null }] : found.value;
  };

  effect(() => {
    const typed = text.value.trim();
    active.value = -1;
    if (!isOpen.value) return;
    if (typed === "") {
      found.value = toChoices(recentTasks.value);
      return;
    }
    const controller = new AbortController();
    const timeout = setTimeout(async () => {
      const tasks = await findTasks(typed, controller.signal).catch(() => []);
      if (controller.signal.aborted) return;
      found.value = toChoices(tasks);
    }, DELAY_MS);
    onCleanup(() => {
      clearTimeout(timeout);
      controller.abort();
    });
  });

  /** @param {Choice} choice */
  function choose(choice) {
    isOpen.value = false;
    onchoose(choice);
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const all = choices();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen.peek()) isOpen.value = true;
      else if (all.length > 0) {
        const step = event.key === "ArrowDown" ? 1 : -1;
        active.value = (active.peek() + step + all.length + (active.peek() < 0 && step < 0 ? 1 : 0)) % all.length;
      }
    } else if (event.key === "Escape" && isOpen.peek()) {
      event.stopPropagation();
      isOpen.value = false;
    } else if (event.key === "Enter" && !event.isComposing && (all[active.peek()] || text.peek().trim())) {
      event.preventDefault();
      void chooseTyped(all[active.peek()]);
    }
  }

  /** @param {Choice | undefined} selected */
  async function chooseTyped(selected) {
    const title = text.peek().trim();
    // The list can be older than what is typed: a task of this title must not be created twice.
    const same =
      selected ??
      (await findTasks(title, AbortSignal.timeout(DELAY_MS * 10)).then(toChoices, () => [])).find(
        (each) => each.title === title,
      );
    if (same) choose(same);
    else if (allowsNew) choose({ id: null, title, projectId: null });
  }

  const input = h("input", {
    type: "text",
    class: "task-picker-input",
    role: "combobox",
    "aria-label": label,
    placeholder: label,
    "aria-autocomplete": "list",
    "aria-controls": listId,
    "aria-expanded": () => String(isOpen.value && choices().length > 0),
    "aria-activedescendant": () => (active.value >= 0 ? `${listId}-${active.value}` : null),
    autocomplete: "off",
    maxlength: 200,
    value: () => text.value,
    oninput: () => {
      text.value = input.value;
      isOpen.value = true;
    },
    onclick: () => {
      isOpen.value = true;
    },
    onblur: () => {
      isOpen.value = false;
    },
    onkeydown,
  });

  const list = each(
    h("ul", {
      id: listId,
      class: "task-picker-list",
      role: "listbox",
      "aria-label": label,
      hidden: () => !isOpen.value || choices().length === 0,
    }),
    () => choices().map((choice, index) => ({ ...choice, index })),
    (choice) => `${choice.index} ${choice.id ?? ""} ${choice.title}`,
    (choice) => {
      const { id, title, projectId, index } = choice.peek();
      return h(
        "li",
        {
          id: `${listId}-${index}`,
          role: "option",
          "aria-selected": () => String(active.value === index),
          // The input keeps the focus: a click must not blur it first.
          onmousedown: (/** @type {MouseEvent} */ event) => event.preventDefault(),
          onclick: () => choose({ id, title, projectId }),
        },
        h("span", { class: "task-picker-title" }, id ? title : t("timer.new_task", { title })),
        () => project(projectId) && h("span", { class: "muted" }, project(projectId)?.name),
      );
    },
  );

  return {
    element: h("div", { class: "task-picker" }, input, list),
    focus: () => input.focus(),
    choose: () => chooseTyped(undefined),
  };
}

/**
 * @param {readonly {id: string, title: string, project_id: string | null}[]} tasks
 * @returns {Choice[]}
 */
function toChoices(tasks) {
  return tasks.map((task) => ({ id: task.id, title: task.title, projectId: task.project_id }));
}
