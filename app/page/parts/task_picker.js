// A combobox that finds tasks while one types (WAI-ARIA combobox with list autocomplete).

import { each, h } from "../lib/dom.js";
import { computed, effect, onCleanup, signal } from "../lib/signal.js";
import { now } from "../store/clock.js";
import { project } from "../store/projects.js";
import { workQueue } from "../store/resource.js";
import { findTask, findTasks } from "../store/tasks.js";
import { recentTasks } from "../store/timer.js";
import { t } from "../text/index.js";
import { showText } from "./edit_field.js";
import { projectDot } from "./icons.js";

/**
 * @typedef {{id: string | null, title: string, projectId: string | null, label?: string, isRename?: boolean}} Choice A task, or a new one
 *   without an id. A label is shown instead of the title.
 */

const DELAY_MS = 120;
/** How long a typed title waits to be looked up. */
const EXACT_SEARCH_MS = 4000;
let count = 0;

/**
 * Create the combobox.
 *
 * @param {object} options
 * @param {string} options.label
 * @param {import("../lib/signal.js").Signal<string>} options.text What is typed.
 * @param {(choice: Choice, at: number) => unknown} options.onchoose Called by Enter or a click on a task, with the instant
 *   of the key or click: a typed title is looked up first. If it returns a promise, the next choice waits for it.
 * @param {() => string} [options.current] The title that is chosen already: it is no search.
 * @param {(typed: string) => Choice[]} [options.extra] More choices for what is typed.
 * @param {() => void} [options.onleave] Called when the focus moves to another element, or by Escape.
 * @param {boolean} [options.allowsNew] Whether a title that is not there is offered as a new task.
 * @param {Record<string, any>} [options.attributes] Of the input.
 * @returns {{element: HTMLElement, input: HTMLInputElement, focus: () => void, choose: () => Promise<void>}} `choose`
 *   takes what is typed.
 */
export function taskPicker(options) {
  const { label, text, onchoose, onleave, current = () => "", allowsNew = true } = options;
  count += 1;
  const listId = `tasks-${count}`;
  const isOpen = signal(false);
  const active = signal(-1);
  const typed = computed(() => (text.value.trim() === current() ? "" : text.value.trim()));
  const matches = search(typed, isOpen);
  const choices = computed(() => {
    const title = typed.value;
    if (title === "") return matches.value;
    const isNew = allowsNew && !matches.value.some((match) => match.title === title);
    const created = isNew ? [{ id: null, title, projectId: null, label: t("timer.new_task", { title }) }] : [];
    return [...matches.value, ...created, ...(options.extra?.(title) ?? [])];
  });
  effect(() => {
    void typed.value;
    active.value = -1;
  });

  /** The title that is looked for. What is chosen meanwhile comes after it. */
  let sought = "";
  const inOrder = workQueue();

  /** @param {() => Choice | null | Promise<Choice | null>} find */
  function chooseFound(find) {
    const at = now();
    const typed = text.peek();
    const found = find();
    isOpen.value = false;
    active.value = -1;
    // What is typed next replaces the title.
    if (document.activeElement === input) input.select();
    return inOrder(async () => {
      const choice = await found;
      if (choice === null) return;
      // What was typed meanwhile stays.
      if (text.peek() === typed) {
        showText(input, choice.title);
        text.value = choice.title;
      }
      await onchoose(choice, at);
    });
  }

  /** @param {Choice} [selected] */
  async function choose(selected) {
    const title = text.peek().trim();
    if (selected?.id || selected?.isRename) await chooseFound(() => selected);
    else if (title === "") isOpen.value = true;
    else if (title !== sought) {
      sought = title;
      await chooseFound(async () => {
        // The list is short, and can be older than what is typed: a task of this title must not be created twice.
        const same = await findTask(title, AbortSignal.timeout(EXACT_SEARCH_MS)).catch(() => null);
        if (same) return toChoice(same);
        return allowsNew ? { id: null, title, projectId: null } : null;
      });
      if (sought === title) sought = "";
    }
  }

  /** @param {number} step */
  function move(step) {
    const { length } = choices.peek();
    if (!isOpen.peek()) isOpen.value = true;
    if (length === 0) return;
    const from = active.peek() < 0 && step < 0 ? length : active.peek();
    active.value = (from + step + length) % length;
    document.getElementById(`${listId}-${active.peek()}`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (event.altKey) isOpen.value = event.key === "ArrowDown";
      else move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      void choose(isOpen.peek() ? choices.peek()[active.peek()] : undefined);
    } else if (event.key === "Escape" && (isOpen.peek() || onleave)) {
      // An enclosing dialog stays open.
      if (isOpen.peek()) event.preventDefault();
      isOpen.value = false;
      onleave?.();
    }
  }

  const input = h("input", {
    type: "text",
    class: "task-picker-input",
    role: "combobox",
    dir: "auto",
    "aria-label": label,
    placeholder: label,
    "aria-autocomplete": "list",
    "aria-controls": listId,
    "aria-expanded": () => String(isOpen.value && choices.value.length > 0),
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
    onfocus: () => input.select(),
    onblur: () => {
      isOpen.value = false;
      // When the window loses the focus, the element keeps it: what is typed stays.
      if (document.activeElement !== input) onleave?.();
    },
    onkeydown,
    ...options.attributes,
  });
  const list = listbox({ listId, label, choices, active, isOpen, choose });
  const status = h("span", { class: "visually-hidden", role: "status" }, () =>
    isOpen.value && typed.value ? t("timer.choices", { count: choices.value.length }) : "",
  );
  return {
    element: h("div", { class: "task-picker" }, input, list, status),
    input,
    focus: () => input.focus(),
    choose: () => choose(),
  };
}

/**
 * Return the tasks that match what is typed: the recent ones while nothing is.
 *
 * @param {import("../lib/signal.js").ReadSignal<string>} typed
 * @param {import("../lib/signal.js").ReadSignal<boolean>} isOpen
 */
function search(typed, isOpen) {
  const matches = signal(/** @type {Choice[]} */ ([]));
  effect(() => {
    const text = typed.value;
    if (!isOpen.value) return;
    if (text === "") {
      matches.value = recentTasks.value.map(toChoice);
      return;
    }
    const controller = new AbortController();
    const timeout = setTimeout(async () => {
      const tasks = await findTasks(text, controller.signal).catch(() => []);
      if (!controller.signal.aborted) matches.value = tasks.map(toChoice);
    }, DELAY_MS);
    onCleanup(() => {
      clearTimeout(timeout);
      controller.abort();
    });
  });
  return matches;
}

/**
 * @param {object} options
 * @param {string} options.listId
 * @param {string} options.label
 * @param {import("../lib/signal.js").ReadSignal<Choice[]>} options.choices
 * @param {import("../lib/signal.js").ReadSignal<number>} options.active
 * @param {import("../lib/signal.js").ReadSignal<boolean>} options.isOpen
 * @param {(choice: Choice) => Promise<void>} options.choose
 */
function listbox({ listId, label, choices, active, isOpen, choose }) {
  return each(
    h("ul", {
      id: listId,
      class: "task-picker-list",
      role: "listbox",
      "aria-label": label,
      hidden: () => !isOpen.value || choices.value.length === 0,
    }),
    () => choices.value.map((choice, index) => ({ choice, index })),
    ({ choice, index }) => `${index} ${choice.id ?? ""} ${choice.label ?? choice.title}`,
    (item) => {
      const { choice, index } = item.peek();
      const isTask = choice.label === undefined;
      return h(
        "li",
        {
          id: `${listId}-${index}`,
          role: "option",
          class: isTask ? "" : "task-picker-new",
          "aria-selected": () => String(active.value === index),
          // The input keeps the focus: a click must not blur it first.
          onmousedown: (/** @type {MouseEvent} */ event) => event.preventDefault(),
          onclick: () => void choose(item.peek().choice),
        },
        isTask && projectDot(choice.projectId),
        h("bdi", { class: "task-picker-title" }, choice.label ?? choice.title),
        () => project(choice.projectId) && h("span", { class: "muted" }, project(choice.projectId)?.name),
      );
    },
  );
}

/**
 * @param {{id: string, title: string, project_id: string | null}} task
 * @returns {Choice}
 */
function toChoice(task) {
  return { id: task.id, title: task.title, projectId: task.project_id };
}
