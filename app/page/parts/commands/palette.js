// The command palette: type a part of a name, choose with the arrow keys, run with Enter.

import { each, h } from "../../lib/dom.js";
import { computed, signal } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { showDialog } from "../dialog.js";
import { paletteCommands } from "./commands.js";

/** Show the palette, and run the chosen command when it is closed. */
export async function openPalette() {
  const all = paletteCommands();
  const chosen = await showDialog(t("command.palette"), (/** @type {(command?: Command) => void} */ close) =>
    palette(all, close),
  );
  await chosen?.run();
}

/** @typedef {import("./commands.js").Command} Command */

/**
 * @param {Command[]} all
 * @param {(command?: Command) => void} close
 */
function palette(all, close) {
  const text = signal("");
  const active = signal(0);
  const matching = computed(() => all.filter((command) => matches(command.name, text.value)));

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const count = matching.peek().length;
    if (event.key === "Enter") {
      event.preventDefault();
      const command = matching.peek()[active.peek()];
      if (command) close(command);
    } else if (count > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      active.value = (active.peek() + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      document.getElementById(`command-${active.peek()}`)?.scrollIntoView({ block: "nearest" });
    }
  }

  const input = h("input", {
    type: "text",
    class: "palette-input",
    role: "combobox",
    autofocus: true,
    autocomplete: "off",
    "aria-label": t("command.palette"),
    "aria-expanded": "true",
    "aria-controls": "commands",
    "aria-activedescendant": () => (matching.value.length > 0 ? `command-${active.value}` : null),
    placeholder: t("command.placeholder"),
    oninput: () => {
      text.value = input.value;
      active.value = 0;
    },
    onkeydown,
  });

  return [
    input,
    each(
      h("ul", { id: "commands", class: "palette-list", role: "listbox", "aria-label": t("command.palette") }),
      () => matching.value.map((command, index) => ({ command, index })),
      ({ command, index }) => `${index} ${command.id}`,
      (item) => {
        const { command, index } = item.peek();
        return h(
          "li",
          {
            id: `command-${index}`,
            role: "option",
            "aria-selected": () => String(active.value === index),
            onclick: () => close(command),
          },
          h("span", null, command.name),
          h(
            "span",
            { class: "palette-keys" },
            command.keys.map((key) => h("kbd", null, key)),
          ),
        );
      },
    ),
    h("p", { class: "muted", role: "status" }, () => (matching.value.length === 0 ? t("command.nothing") : "")),
  ];
}

/**
 * @param {string} name
 * @param {string} text Each of its words must be in the name.
 */
function matches(name, text) {
  const normal = name.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => normal.includes(word));
}
