// Build elements whose attributes and children follow signals.

import { effect, onCleanup, scope, signal, untracked } from "./signal.js";

/**
 * @typedef {Node | string | number | boolean | null | undefined} Static
 * @typedef {Static | (() => any) | any[]} Child A function is called again when a signal that it read changes.
 * @typedef {Record<string, any>} Attributes
 */

/** Names that are set as properties, because the attribute is only the initial value. */
const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate", "disabled", "hidden", "open"]);

/**
 * Create an HTML element.
 *
 * Attributes: `on...` are event listeners, `ref` is called with the element, a function follows signals, true sets an
 * empty attribute, false, null and undefined remove it.
 *
 * @template {string} Tag
 * @param {Tag} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 * @returns {Tag extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag] : HTMLElement}
 */
export function h(tag, attributes, ...children) {
  return /** @type {any} */ (fill(document.createElement(tag), attributes, children));
}

/**
 * Create an SVG element. Attributes and children are as for `h`.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes | null | undefined} attributes
 * @param {Child[]} children
 * @returns {E}
 */
function fill(element, attributes, children) {
  append(element, children);
  for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function setAttribute(element, name, value) {
  if (name === "ref") untracked(() => value(element));
  else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (typeof value === "function") effect(() => assign(element, name, value()));
  else assign(element, name, value);
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function assign(element, name, value) {
  if (PROPERTIES.has(name) && name in element) {
    const properties = /** @type {Record<string, any>} */ (/** @type {unknown} */ (element));
    if (properties[name] !== value) properties[name] = value ?? "";
  } else if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Append children, of which functions stay up to date.
 *
 * @param {Node} parent
 * @param {Child} child
 */
export function append(parent, child) {
  if (Array.isArray(child)) for (const each of child) append(parent, each);
  else if (typeof child === "function") appendDynamic(parent, child);
  else if (child instanceof Node) parent.appendChild(child);
  else if (typeof child === "string" || typeof child === "number") parent.appendChild(new Text(String(child)));
}

/**
 * @param {Node} parent
 * @param {() => Child} render
 */
function appendDynamic(parent, render) {
  const [start, end] = [document.createComment(""), document.createComment("")];
  parent.appendChild(start);
  parent.appendChild(end);
  effect(() => {
    const fragment = document.createDocumentFragment();
    append(fragment, render());
    const [text, newText] = [start.nextSibling, fragment.firstChild];
    // A single text is changed in place, so that a clock that ticks replaces no node.
    if (text instanceof Text && text.nextSibling === end && newText instanceof Text && !newText.nextSibling) {
      text.data = newText.data;
      return;
    }
    while (start.nextSibling && start.nextSibling !== end) start.nextSibling.remove();
    end.before(fragment);
  });
}

/**
 * Fill an element with one child for each item, and keep the children of unchanged keys with their focus and state.
 *
 * @template Item
 * @template {Element} Container
 * @param {Container} container Has no other children.
 * @param {() => readonly Item[]} items
 * @param {(item: Item) => string} key Of several items with the same key, one is shown.
 * @param {(item: import("./signal.js").ReadSignal<Item>) => Element} render Called once for each key. The signal follows its item.
 * @returns {Container}
 */
export function each(container, items, key, render) {
  /** @type {Map<string, {element: Element, item: import("./signal.js").Signal<Item>, dispose: () => void}>} */
  let rows = new Map();
  /** @param {Item} first */
  function create(first) {
    const item = signal(first);
    const [element, dispose] = scope(() => render(item));
    return { element, item, dispose };
  }
  /** @param {readonly Item[]} next */
  function update(next) {
    const previous = rows;
    const unique = new Map(next.map((item) => [key(item), item]));
    rows = new Map([...unique].map(([name, item]) => [name, previous.get(name) ?? create(item)]));
    // First what is gone: a list that loses its first rows must not move the others.
    for (const [name, row] of previous) {
      if (rows.has(name)) continue;
      row.dispose();
      row.element.remove();
    }
    let position = container.firstElementChild;
    for (const [name, item] of unique) {
      const row = rows.get(name);
      if (!row) continue;
      row.item.value = item;
      // Moving a row with the focus would take it away: the rows before it go to the end, and are placed later.
      while (position && position !== row.element && row.element.contains(document.activeElement)) {
        const following = position.nextElementSibling;
        container.append(position);
        position = following;
      }
      if (row.element === position) position = position.nextElementSibling;
      else container.insertBefore(row.element, position);
    }
  }
  effect(() => {
    const next = items();
    untracked(() => update(next));
  });
  onCleanup(() => {
    for (const { dispose } of rows.values()) dispose();
  });
  return container;
}

/**
 * Define a custom element. Its effects end when it leaves the document.
 *
 * @param {string} name
 * @param {(element: HTMLElement) => Child} setup Called when the element enters the document; returns its children.
 */
export function define(name, setup) {
  customElements.define(
    name,
    class extends HTMLElement {
      /** @type {(() => void) | null} */
      #dispose = null;

      connectedCallback() {
        if (this.#dispose) return;
        [, this.#dispose] = scope(() => append(this, setup(this)));
      }

      disconnectedCallback() {
        // A list that is sorted removes and inserts its elements: only one that stays away has ended.
        queueMicrotask(() => {
          if (this.isConnected) return;
          this.#dispose?.();
          this.#dispose = null;
          this.replaceChildren();
        });
      }
    },
  );
}
