// Forms and lists that the sections of the settings share.

import { ApiError } from "../../api.js";
import { each, h } from "../../lib/dom.js";
import { computed, effect, onCleanup, signal, untracked } from "../../lib/signal.js";
import { confirm } from "../../parts/dialog.js";
import { attempt, attemptOnce, loadFailure, notify } from "../../parts/notice.js";
import { copyText } from "../../parts/save.js";
import { describeByField, fieldError, moreButton } from "../../parts/submission.js";
import { listOf, removeFrom } from "../../store/account.js";
import { profile } from "../../store/profile.js";
import { pagedResource } from "../../store/resource.js";
import { t } from "../../text/index.js";

/**
 * @typedef {object} Field
 * @property {string} name The member of the body; errors of the service name it.
 * @property {string} label
 * @property {HTMLInputElement | HTMLSelectElement} input
 * @property {string} [hint]
 * @property {() => string} [stored] What is stored: the input shows it until the person changes it.
 *
 * @typedef {import("../../lib/dom.js").Child} Child
 */

/**
 * Create a form. What the service refuses stands next to its field.
 *
 * @param {object} options
 * @param {Field[]} options.fields
 * @param {Child} [options.more] Stands between the fields and the button.
 * @param {string} options.submit The text of the button.
 * @param {boolean} [options.isDangerous]
 * @param {() => Promise<unknown>} options.onsubmit
 */
export function form({ fields, more, submit, isDangerous = false, onsubmit }) {
  const errors = signal(/** @type {Record<string, string>} */ ({}));
  const isBusy = signal(false);
  const followers = fields.flatMap(({ input, stored }) => (stored ? [followStored(input, stored)] : []));
  /** @param {Event} event */
  async function send(event) {
    event.preventDefault();
    if (isBusy.peek()) return;
    [isBusy.value, errors.value] = [true, {}];
    const sent = followers.map((follower) => follower.send());
    try {
      await onsubmit();
      for (const finish of sent) finish(true);
    } catch (error) {
      for (const finish of sent) finish(false);
      errors.value = errorsByField(error, fields);
      const first = fields.find(({ name }) => errors.peek()[name]);
      first?.input.focus();
    }
    isBusy.value = false;
  }
  return h("form", { class: "settings-form", onsubmit: send, novalidate: true }, [
    fields.map((field) => fieldRow(field, errors)),
    more,
    h("p", { class: "form-error", role: "alert" }, () => errors.value[""] ?? ""),
    h("div", { class: "form-actions" }, [
      // A button that is disabled would lose the focus.
      h(
        "button",
        {
          type: "submit",
          class: isDangerous ? "danger" : "primary",
          "aria-disabled": () => (isBusy.value ? "true" : null),
        },
        submit,
      ),
    ]),
  ]);
}

/**
 * Let an input show what is stored, but keep what a person has typed since it was shown or sent.
 *
 * @param {Field["input"]} input
 * @param {() => string} stored
 */
function followStored(input, stored) {
  let unchanged = input.value;
  function show() {
    const text = stored();
    if (input.value === unchanged) setValue(input, text);
    unchanged = text;
  }
  effect(show);
  return {
    /** Return the function to call with whether the service has stored what the input has now. */
    send() {
      unchanged = input.value;
      return (/** @type {boolean} */ isStored) => {
        if (isStored) show();
        else unchanged = stored();
      };
    },
  };
}

/**
 * @param {Field["input"]} input
 * @param {string} value
 */
function setValue(input, value) {
  const isMissing = input instanceof HTMLSelectElement && ![...input.options].some((option) => option.value === value);
  if (isMissing) input.append(h("option", { value }, value));
  input.value = value;
}

/**
 * @param {Field} field
 * @param {import("../../lib/signal.js").ReadSignal<Record<string, string>>} errors
 */
function fieldRow({ name, label, input, hint }, errors) {
  const id = `settings-${name}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint ? h("p", { id: `${id}-hint`, class: "muted" }, hint) : null,
    fieldError(() => errors.value[name] ?? "", input),
  );
}

/**
 * Return what is wrong by field. The key "" is for the form as a whole.
 *
 * @param {unknown} error
 * @param {Field[]} fields
 * @returns {Record<string, string>}
 */
function errorsByField(error, fields) {
  if (error instanceof ApiError && error.code === "wrong_password") {
    const name = fields.find((field) => field.name.endsWith("password"))?.name ?? "";
    return { [name]: t("settings.wrong_password") };
  }
  const names = fields.map(({ name }) => name);
  return describeByField(error, names);
}

/**
 * Create a form of the profile as soon as that is loaded. The form stays when the profile changes.
 *
 * @param {(user: () => import("../../types").User) => Child} create
 */
export function withProfile(create) {
  const isLoaded = computed(() => profile.value !== null);
  return () =>
    isLoaded.value && untracked(() => create(() => /** @type {import("../../types").User} */ (profile.value)));
}

/** Browsers and systems by what they write into User-Agent. An earlier line also matches what a later one means. */
const BROWSERS = /** @type {const} */ ([
  [/\bEdg/, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/Chrome\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
]);
const SYSTEMS = /** @type {const} */ ([
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b|\biPad\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
]);

/**
 * Return a program by its User-Agent as people know it: "Firefox, Windows".
 *
 * @param {string | null} agent
 */
export function programName(agent) {
  if (!agent) return t("settings.unknown_program");
  const browser = BROWSERS.find(([pattern]) => pattern.test(agent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  return browser ? [browser, system].filter(Boolean).join(", ") : agent;
}

/**
 * Create a text input.
 *
 * @param {Record<string, any>} [attributes]
 */
export function input(attributes = {}) {
  return h("input", { type: "text", ...attributes });
}

/**
 * Create a select.
 *
 * @param {readonly (readonly [value: string | number, text: string])[]} options
 * @param {string | number} [selected] Not needed for a field that shows what is stored.
 */
export function select(options, selected) {
  return h(
    "select",
    null,
    options.map(([value, text]) => h("option", { value, selected: String(value) === String(selected) }, text)),
  );
}

/**
 * Show a secret once, with a way to copy it.
 *
 * @param {string} label
 * @param {string} secret
 */
export function secretField(label, secret) {
  const field = input({ value: secret, readonly: true, class: "secret", "aria-label": label });
  async function copy() {
    if (await copyText(field)) notify(t("settings.copied"));
  }
  return h("div", { class: "secret-box", role: "status" }, [
    h("p", null, t("settings.shown_once")),
    h(
      "div",
      { class: "secret-row" },
      field,
      h("button", { type: "button", onclick: () => void attempt(copy) }, t("settings.copy")),
    ),
  ]);
}

/**
 * Create a list of the account, page by page.
 *
 * @template {{id: string}} Item
 * @param {object} options
 * @param {string} options.list As for listOf.
 * @param {string} options.empty
 * @param {(item: import("../../lib/signal.js").ReadSignal<Item>, reload: () => void) => Child} options.row Called once
 *   for each item.
 * @returns {{element: HTMLElement, reload: () => void}}
 */
export function accountList({ list, empty, row }) {
  const resource = pagedResource((page, signal) => listOf(list, page, signal));
  const items = () => /** @type {Item[]} */ (resource.data.value ?? []);
  const rows = each(
    h("ul", { class: "settings-list" }),
    items,
    (item) => item.id,
    (item) => {
      const element = h("li", { class: "settings-item" }, row(item, resource.reload));
      onCleanup(() => {
        if (element.contains(document.activeElement)) document.getElementById("settings-title")?.focus();
      });
      return element;
    },
  );
  const element = h("div", { class: "settings-list-box" }, [
    rows,
    () => {
      if (resource.error.value) return loadFailure(resource.error.value, resource.reload);
      return resource.data.value?.length === 0 && h("p", { class: "muted" }, empty);
    },
    moreButton(rows, {
      hasMore: () => resource.error.value === null && resource.hasMore(),
      more: attemptOnce(resource.more),
    }),
  ]);
  return { element, reload: resource.reload };
}

/**
 * Create the button that revokes a token or feed after a question.
 *
 * @param {string} list As for removeFrom.
 * @param {import("../../lib/signal.js").ReadSignal<{id: string, name: string}>} item
 * @param {() => void} reload
 */
export function revokeButton(list, item, reload) {
  async function revoke() {
    const { id, name } = item.peek();
    const texts = { yes: t("settings.revoke"), no: t("common.cancel"), isDangerous: true };
    if (!(await confirm(t("settings.revoke_question", { name }), texts))) return;
    await removeFrom(list, id);
    reload();
  }
  return h(
    "button",
    {
      type: "button",
      class: "danger",
      "aria-label": () => t("settings.revoke_named", { name: item.value.name }),
      onclick: attemptOnce(revoke),
    },
    t("settings.revoke"),
  );
}
