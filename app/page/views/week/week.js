// The view "Week": the entries of a week in a calendar grid.

import { define, h } from "../../lib/dom.js";
import { effect, onCleanup, signal } from "../../lib/signal.js";
import { describeError, retryButton } from "../../parts/notice.js";
import { t } from "../../text/index.js";
import { followPointers } from "./drag.js";
import { grid } from "./grid.js";
import { followKeys } from "./keyboard.js";
import { weekModel } from "./model.js";
import { toolbar } from "./toolbar.js";

const SHOW_LOADING_AFTER_MS = 200;

define("tt-week", (element) => {
  const model = weekModel();
  const { scroller, body } = grid(model);
  followPointers(model, scroller, body);
  const announcement = followKeys(model, scroller, body);
  activateFirst(model);
  fillWindow(element);
  return [
    toolbar(model),
    scroller,
    state(model),
    keys(),
    h("p", { class: "visually-hidden", role: "status" }, () => announcement.value),
  ];
});

/** Let Tab reach an entry as soon as there is one. @param {import("./model.js").WeekModel} model */
function activateFirst(model) {
  effect(() => {
    const shown = model.placed.value.flat();
    const active = model.active.peek();
    if (!shown.some(({ item }) => item.id === active)) model.active.value = shown[0]?.item.id ?? null;
  });
}

/** @param {import("./model.js").WeekModel} model */
function state(model) {
  const isSlow = signal(false);
  effect(() => {
    isSlow.value = false;
    if (!model.list.isLoading.value) return;
    const timeout = setTimeout(() => {
      isSlow.value = true;
    }, SHOW_LOADING_AFTER_MS);
    onCleanup(() => clearTimeout(timeout));
  });
  return h("p", { class: "week-state muted", role: "status" }, () => {
    if (model.list.error.value) return errorState(model, model.list.error.value);
    if (isSlow.value) return t("common.loading");
    return model.list.data.value && model.placed.value.flat().length === 0 ? t("week.empty") : "";
  });
}

/**
 * @param {import("./model.js").WeekModel} model
 * @param {Error} error
 */
function errorState(model, error) {
  return [h("span", { class: "form-error" }, describeError(error)), " ", retryButton(model.list.reload, "link")];
}

/** The keys, for those who look for them and for screen readers. */
function keys() {
  const rows = ["walk", "open", "create", "move", "move_day", "resize", "resize_start", "delete", "undo"];
  return h(
    "details",
    { class: "week-keys" },
    h("summary", null, t("week.keys")),
    h(
      "dl",
      { id: "week-keys" },
      rows.map((row) => h("div", null, h("dt", null, t(`week.key_${row}`)), h("dd", null, t(`week.key_${row}_does`)))),
    ),
  );
}

/** Give the grid the height that the window has left. @param {HTMLElement} element */
function fillWindow(element) {
  const update = () => {
    const top = element.getBoundingClientRect().top + scrollY;
    element.style.setProperty("--above", `${Math.round(top)}px`);
  };
  const observer = new ResizeObserver(update);
  observer.observe(document.body);
  addEventListener("resize", update);
  onCleanup(() => {
    observer.disconnect();
    removeEventListener("resize", update);
  });
}
