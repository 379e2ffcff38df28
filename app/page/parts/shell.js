// The frame of the page: navigation, timer bar, the current view, messages.

import { signOut } from "../api.js";
import { h } from "../lib/dom.js";
import { signal } from "../lib/signal.js";
import { t } from "../text/index.js";
import { icon } from "./icons.js";
import { attemptOnce, noticeList } from "./notice.js";
import { newVersion } from "./status/new_version.js";
import { waitingStatus } from "./status/waiting.js";
import { timerBar } from "./timer/timer_bar.js";

const MAIN_VIEWS = ["today", "week", "timesheet", "tasks"];
const MORE_VIEWS = ["projects", "reports", "import", "settings"];

/**
 * Create the frame.
 *
 * @param {() => string} current The name of the current view.
 * @param {() => Node} view
 * @param {() => import("../lib/dom.js").Child} question
 */
export function shell(current, view, question) {
  const isMoreOpen = signal(false);
  /** @param {string} name */
  const link = (name) =>
    h(
      "li",
      null,
      h(
        "a",
        {
          href: `#/${name}`,
          "aria-current": () => (current() === name ? "page" : null),
          onclick: () => {
            isMoreOpen.value = false;
          },
        },
        icon(name),
        h("span", null, t(`nav.${name}`)),
      ),
    );
  return h(
    "div",
    { class: "shell" },
    h("a", { class: "skip-link", href: "#main", onclick: skip }, t("nav.skip")),
    h(
      "nav",
      { class: () => (isMoreOpen.value ? "nav is-more-open" : "nav"), "aria-label": t("nav.label") },
      h(
        "a",
        { class: "brand", href: "#/today", tabindex: "-1", "aria-hidden": "true" },
        icon("brand"),
        h("span", null, t("app.name")),
      ),
      h("ul", { class: "nav-main" }, MAIN_VIEWS.map(link)),
      h(
        "button",
        {
          type: "button",
          class: "nav-more-button",
          "aria-expanded": () => String(isMoreOpen.value),
          onclick: () => {
            isMoreOpen.value = !isMoreOpen.peek();
          },
        },
        icon("more"),
        h("span", null, t("nav.more")),
      ),
      h(
        "ul",
        { class: "nav-more" },
        MORE_VIEWS.map(link),
        h(
          "li",
          { class: "nav-sign-out" },
          h(
            "button",
            { type: "button", class: "nav-button", onclick: attemptOnce(signOut) },
            icon("sign_out"),
            h("span", null, t("nav.sign_out")),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "content" },
      timerBar(),
      newVersion(),
      waitingStatus(),
      question,
      h("main", { id: "main", tabindex: "-1" }, view),
    ),
    noticeList(),
  );
}

/** @param {Event} event */
function skip(event) {
  // The hash belongs to the views.
  event.preventDefault();
  document.getElementById("main")?.focus();
}
