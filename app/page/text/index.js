// The texts of the page in the user's language.

import { signal } from "../lib/signal.js";

/** @typedef {keyof typeof import("./en.js").en} TextKey */

/** @type {Record<string, () => Promise<Record<string, string>>>} */
const LANGUAGES = {
  en: async () => (await import("./en.js")).en,
  de: async () => (await import("./de.js")).de,
};

/** The language of the texts and the locale of dates and numbers. Its texts are loaded. */
export const language = signal(browserLanguage());

/** @type {Record<string, string>} */
let texts = await load(language.peek());

/** Characters that would turn the direction of the text around a parameter. */
const DIRECTION_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

/** @type {Map<string, Intl.PluralRules>} */
const pluralRules = new Map();

/**
 * Return a text. `{name}` is replaced by the parameter of that name.
 *
 * A text with a plural has a key for each form, "key.one" and "key.other", chosen by the parameter `count`.
 *
 * @param {TextKey | string} key
 * @param {Record<string, string | number>} [parameters]
 */
export function t(key, parameters = {}) {
  // The texts follow the language: who uses one must be called again when it changes.
  void language.value;
  const text = texts[pluralKey(key, parameters)] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(parameters[name] ?? "").replace(DIRECTION_CONTROLS, ""));
}

/**
 * Use a language. Null is that of the browser.
 *
 * @param {string | null | undefined} name
 */
export async function setLanguage(name) {
  const next = name && name in LANGUAGES ? name : browserLanguage();
  document.documentElement.lang = next;
  if (next === language.peek()) return;
  texts = await load(next);
  language.value = next;
}

/** Return the locale of dates and numbers: the browser's own variant of the language, such as en-GB. */
export function locale() {
  const own = navigator.languages.find((each) => each.split("-")[0] === language.value);
  return own ?? language.value;
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} parameters
 */
function pluralKey(key, parameters) {
  if (parameters.count === undefined) return key;
  const name = language.peek();
  const rules = pluralRules.get(name) ?? new Intl.PluralRules(name);
  pluralRules.set(name, rules);
  return `${key}.${rules.select(Number(parameters.count))}`;
}

function browserLanguage() {
  return navigator.languages.map((each) => each.split("-")[0] ?? "").find((each) => each in LANGUAGES) ?? "en";
}

/** @param {string} name A key of LANGUAGES. */
async function load(name) {
  return (await LANGUAGES[name]?.()) ?? {};
}
