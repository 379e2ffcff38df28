// What a chart tells apart: the largest groups, each in its colour, and the rest as "Other".

import { h } from "../../lib/dom.js";
import { t } from "../../text/index.js";
import { rowLabel } from "./labels.js";

/**
 * @typedef {import("./labels.js").Row} Row
 *
 * @typedef {object} Series
 * @property {string} id
 * @property {string} label
 * @property {string | null} color A colour that the user has chosen, or null.
 * @property {number} number The number of the colour of the scale: 1 to 8, or 0 for "Other" and for a chosen colour.
 * @property {number} seconds
 *
 * @typedef {{all: Series[], of: (key: string | null) => Series | undefined}} SeriesSet `of` returns "Other" for the rest.
 */

/** The hues of the colours of the scale in tokens.css, in degrees. */
const HUES = [212, 33, 166, 315, 204, 13, 56, 249];
const COLORS = HUES.length;
/** Chosen colours of a smaller difference could be confused with a colour of the scale. */
const MIN_HUE_DIFFERENCE = 22;
const OTHER = "other";

/**
 * Return the series of a chart.
 *
 * @param {string} group
 * @param {readonly Row[]} rows
 * @param {(key: string | null) => string | null} [colorOf]
 * @returns {SeriesSet}
 */
export function seriesOf(group, rows, colorOf = () => null) {
  const sorted = rows.filter((row) => row.rounded_seconds > 0).sort((a, b) => b.rounded_seconds - a.rounded_seconds);
  const count = sorted.length > COLORS + 1 ? COLORS : sorted.length;
  const shown = sorted.slice(0, count);
  const chosen = chosenColors(shown, colorOf);
  const scale = scaleWithout([...chosen.values()]);
  /** @type {Map<string | null, Series>} */
  const byKey = new Map();
  let next = 0;
  for (const row of shown) {
    const color = chosen.get(row.key) ?? null;
    const number = color ? 0 : (scale[next++ % scale.length] ?? 0);
    byKey.set(row.key, {
      id: `key ${row.key}`,
      label: rowLabel(group, row),
      color,
      number,
      seconds: row.rounded_seconds,
    });
  }
  const rest = sorted.slice(count);
  const other = rest.length > 0 ? otherSeries(rest) : null;
  return { all: [...byKey.values(), ...(other ? [other] : [])], of: (key) => byKey.get(key) ?? other ?? undefined };
}

/**
 * Return the colours that the user has chosen. Of two rows with the same one, which could not be told apart, the smaller
 * row gets a colour of the scale.
 *
 * @param {Row[]} rows
 * @param {(key: string | null) => string | null} colorOf
 */
function chosenColors(rows, colorOf) {
  /** @type {Map<string | null, string>} */
  const chosen = new Map();
  const used = new Set();
  for (const { key } of rows) {
    const color = colorOf(key)?.toLowerCase();
    if (color && !used.has(color)) chosen.set(key, color);
    used.add(color);
  }
  return chosen;
}

/**
 * Return the numbers of the colours of the scale, first those that resemble no chosen colour.
 *
 * @param {string[]} chosen
 */
function scaleWithout(chosen) {
  const hues = chosen.map(hueOf).filter((hue) => hue !== null);
  const isClose = (/** @type {number} */ hue) =>
    hues.some((each) => Math.abs(((each - hue + 540) % 360) - 180) < MIN_HUE_DIFFERENCE);
  const numbers = HUES.map((hue, index) => ({ number: index + 1, isLast: isClose(hue) }));
  return numbers.sort((a, b) => Number(a.isLast) - Number(b.isLast)).map(({ number }) => number);
}

/**
 * Return the hue of a colour in degrees, or null for a grey one.
 *
 * @param {string} color "#rrggbb"
 */
function hueOf(color) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((index) => Number.parseInt(color.slice(index, index + 2), 16));
  const largest = Math.max(red, green, blue);
  const range = largest - Math.min(red, green, blue);
  if (range === 0) return null;
  if (largest === red) return (((green - blue) / range) * 60 + 360) % 360;
  return largest === green ? ((blue - red) / range) * 60 + 120 : ((red - green) / range) * 60 + 240;
}

/**
 * @param {Row[]} rows
 * @returns {Series}
 */
function otherSeries(rows) {
  const seconds = rows.reduce((sum, row) => sum + row.rounded_seconds, 0);
  return { id: OTHER, label: t("reports.other", { count: rows.length }), color: null, number: 0, seconds };
}

/**
 * Give an element the colour of a series, as the property --series.
 *
 * @template {HTMLElement | SVGElement} E
 * @param {E} element
 * @param {Series} series
 * @returns {E}
 */
export function paint(element, series) {
  element.classList.add(`series-${series.number}`);
  if (series.color) element.style.setProperty("--series", series.color);
  return element;
}

/**
 * Create the sample of a colour that stands before the name of a series.
 *
 * @param {Series} series
 */
export function swatch(series) {
  return paint(h("span", { class: "swatch", "aria-hidden": "true" }), series);
}
