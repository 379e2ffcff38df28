// The choice of a colour: a palette with names, or any other.

import { h } from "../../lib/dom.js";
import { t } from "../../text/index.js";
import { dot } from "./project_row.js";

/** Colours with a contrast of at least 3:1 to the surfaces of both themes. */
const PALETTE = /** @type {const} */ ([
  ["blue", "#3f7fe0"],
  ["teal", "#138a7b"],
  ["green", "#4f8f2f"],
  ["olive", "#8a8320"],
  ["amber", "#b97a12"],
  ["orange", "#d9622b"],
  ["red", "#d6453d"],
  ["pink", "#d0548f"],
  ["purple", "#9160d8"],
  ["slate", "#71808f"],
]);

let count = 0;

/**
 * @param {string | null} initial
 * @returns {{element: HTMLElement, read: () => string | null}}
 */
export function colorField(initial) {
  count += 1;
  const group = `color-${count}`;
  const isListed = PALETTE.some(([, color]) => color === initial);
  const own = h("input", { type: "color", "aria-label": t("projects.color_own"), value: initial ?? "#3f7fe0" });
  /**
   * @param {string} value
   * @param {boolean} checked
   */
  const radio = (value, checked) => h("input", { type: "radio", name: group, value, checked });
  const ownRadio = radio("own", initial !== null && !isListed);
  own.addEventListener("input", () => {
    ownRadio.checked = true;
  });
  const element = h("fieldset", { class: "color-field" }, h("legend", null, t("projects.color")), [
    choice(radio("", initial === null), t("projects.color_none"), null),
    PALETTE.map(([name, color]) => choice(radio(color, color === initial), t(`projects.color_${name}`), color)),
    h("span", { class: "color-own" }, h("label", { class: "check" }, ownRadio, t("projects.color_other")), own),
  ]);
  return {
    element,
    read() {
      const checked = element.querySelector("input[type=radio]:checked");
      const value = checked instanceof HTMLInputElement ? checked.value : "";
      return value === "own" ? own.value : value || null;
    },
  };
}

/**
 * @param {HTMLInputElement} radio
 * @param {string} name
 * @param {string | null} color
 */
function choice(radio, name, color) {
  return h("label", { class: "color-choice", title: name }, radio, dot(color), h("span", null, name));
}
