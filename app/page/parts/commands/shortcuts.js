// Shortcuts of one or two keys. They do nothing while one types, and can be switched off (WCAG 2.2, 2.1.4).

import { h } from "../../lib/dom.js";
import { onCleanup } from "../../lib/signal.js";
import { t } from "../../text/index.js";
import { showDialog } from "../dialog.js";
import { attempt } from "../notice.js";
import { commands, hasShortcuts } from "./commands.js";

/** A key that comes later than this is the first of a shortcut again. */
const SEQUENCE_MS = 1500;

/**
 * Listen for shortcuts until the current scope ends.
 *
 * @param {readonly KeyboardEvent[]} earlyKeys The keys that were pressed before this module was loaded.
 */
export function followShortcuts(earlyKeys) {
  let typed = /** @type {string[]} */ ([]);
  let typedAt = 0;

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      void attempt(async () => (await import("./palette.js")).openPalette());
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!hasShortcuts() || isTyping(event.target)) return;
    typed = event.timeStamp - typedAt < SEQUENCE_MS ? [...typed, event.key] : [event.key];
    typedAt = event.timeStamp;
    if (run(typed) || run([event.key])) {
      event.preventDefault();
      typed = [];
    }
  }

  earlyKeys.forEach(onkeydown);
  addEventListener("keydown", onkeydown);
  onCleanup(() => removeEventListener("keydown", onkeydown));
}

/**
 * @param {string[]} keys
 * @returns {boolean} Whether they are a shortcut.
 */
function run(keys) {
  const name = keys.join(" ");
  if (name === "?") void showShortcuts();
  const command = commands().find((each) => each.keys.join(" ") === name);
  if (command) void command.run();
  return name === "?" || command !== undefined;
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit"].includes(target.type);
  return target.isContentEditable || target.matches("textarea, select, [role='grid'] *");
}

/** Show all shortcuts. */
function showShortcuts() {
  const all = [
    ...commands(),
    { id: "palette", name: t("command.palette"), keys: ["Ctrl+K"] },
    { id: "help", name: t("command.help"), keys: ["?"] },
  ];
  return showDialog(t("command.help_title"), (close) => [
    h(
      "dl",
      { class: "shortcut-list" },
      all.map(({ name, keys }) =>
        h(
          "div",
          null,
          h("dt", null, name),
          h(
            "dd",
            null,
            keys.map((key) => h("kbd", null, key)),
          ),
        ),
      ),
    ),
    h("div", { class: "form-actions" }, h("button", { type: "button", onclick: () => close() }, t("common.close"))),
  ]);
}
