// Amounts of money: stored as whole minor units (cents), typed and shown in major units.

import { formatNumber } from "./format.js";

/** The digits of the minor units that are not two (ISO 4217). Intl has others for some currencies. */
const DIGITS = new Map([
  ...codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 0),
  ...codes("BHD IQD JOD KWD LYD OMR TND", 3),
  ...codes("CLF UYW", 4),
]);

/** The largest amount that the service stores. */
const MAX_AMOUNT = 1_000_000_000_000;

/**
 * Return the number of digits of the minor unit of a currency.
 *
 * @param {string} currency
 */
function minorDigits(currency) {
  return DIGITS.get(currency) ?? 2;
}

/**
 * Return an amount as people read it.
 *
 * @param {{amount: number, currency: string}} money In minor units.
 */
export function formatMoney({ amount, currency }) {
  const digits = minorDigits(currency);
  const options = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatNumber(amount / 10 ** digits, /** @type {Intl.NumberFormatOptions} */ (options));
}

/**
 * Parse an amount: 85, 85.5, 85,50, 1.234,50, 1,234.50, 1 234,50, 1'234.50.
 *
 * A single point or comma before exactly three digits separates thousands, unless the currency has three decimals.
 *
 * @param {string} text
 * @param {string} currency
 * @returns {number | null} Minor units, or null when the text is no amount of this currency.
 */
export function parseAmount(text, currency) {
  const value = text.replace(/[\s'’]/g, "");
  if (!/^\d[\d.,]*$/.test(value)) return null;
  const digits = minorDigits(currency);
  const decimal = decimalSeparator(value, digits);
  const [whole = "", fraction = "", ...rest] = decimal ? value.split(decimal) : [value];
  if (rest.length > 0 || !/^\d+$|^\d{1,3}([.,])\d{3}(\1\d{3})*$/.test(whole) || !/^\d*$/.test(fraction)) return null;
  // More decimals than the currency has are no amount, unless they are zeros.
  if (/[1-9]/.test(fraction.slice(digits))) return null;
  const amount = Number(whole.replace(/[.,]/g, "") + fraction.slice(0, digits).padEnd(digits, "0"));
  return amount <= MAX_AMOUNT ? amount : null;
}

/**
 * Return an amount as it is typed, without separators of thousands.
 *
 * @param {number} amount In minor units.
 * @param {string} currency
 * @param {string} separator The decimal separator.
 */
export function amountText(amount, currency, separator) {
  const digits = minorDigits(currency);
  const text = String(amount).padStart(digits + 1, "0");
  const [whole, fraction] = [text.slice(0, text.length - digits), text.slice(text.length - digits)];
  return fraction === "" || /^0+$/.test(fraction) ? whole : `${whole}${separator}${fraction}`;
}

/**
 * @param {string} value
 * @param {number} digits
 * @returns {string | null} Null when the number has no decimals.
 */
function decimalSeparator(value, digits) {
  const used = [...new Set(value.replace(/\d/g, ""))];
  const last = value.at(Math.max(value.lastIndexOf("."), value.lastIndexOf(",")));
  if (used.length === 2) return last ?? null;
  const [only] = used;
  if (only === undefined || value.split(only).length > 2) return null;
  const isGrouped = digits !== 3 && /^[1-9]\d{0,2}[.,]\d{3}$/.test(value);
  return isGrouped ? null : only;
}

/**
 * @param {string} names
 * @param {number} digits
 * @returns {[string, number][]}
 */
function codes(names, digits) {
  return names.split(" ").map((name) => [name, digits]);
}
