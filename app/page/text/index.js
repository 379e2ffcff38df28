// The texts of the page in the user's language.

import { signal } from "../lib/signal.js";
import { de } from "./de.js";
import { en } from "./en.js";

/** @typedef {keyof typeof en} TextKey */

/** @type {Record<string, Record<string, string>>} */
const LANGUAGES = { en, de };

/** The language of the texts and the locale of dates and numbers. */
export const language = signal(browserLanguage());

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
  /** @type {Record<string, string>} */
  const texts = LANGUAGES[language.value] ?? en;
  const text = texts[pluralKey(key, parameters)] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(parameters[name] ?? "").replace(DIRECTION_CONTROLS, ""));
}

/**
 * Use a language. Null is that of the browser.
 *
 * @param {string | null | undefined} name
 */
export function setLanguage(name) {
  language.value = name && name in LANGUAGES ? name : browserLanguage();
  document.documentElement.lang = language.peek();
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
