// Calendar days and wall clock times of a time zone. Instants are milliseconds since 1970, days are "YYYY-MM-DD".

/** @typedef {{year: number, month: number, day: number, hour: number, minute: number, second: number}} WallTime */

const DAY_MS = 86_400_000;

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * Return the difference of local time and UTC, in milliseconds.
 *
 * @param {number} instant
 * @param {string} zone
 */
export function offset(instant, zone) {
  const second = Math.floor(instant / 1000) * 1000;
  /** @type {Record<string, number>} */
  const parts = {};
  for (const { type, value } of format(zone).formatToParts(second)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, seconds) - second;
}

/**
 * Return the instant of a wall clock time.
 *
 * A time that a clock change skips means the instant that long after the change, one that occurs twice the first, as
 * RFC 5545 has it. With `isLater` it means the second.
 *
 * @param {string} day
 * @param {string} time "HH:MM" or "HH:MM:SS"; "24:00" is the end of the day.
 * @param {string} zone
 * @param {{isLater?: boolean}} [options]
 */
export function instantOf(day, time, zone, { isLater = false } = {}) {
  const [hour = 0, minute = 0, second = 0] = time.split(":").map(Number);
  const local = Date.parse(`${day}T00:00:00Z`) + ((hour * 60 + minute) * 60 + second) * 1000;
  const [before, after] = [offset(local - DAY_MS, zone), offset(local + DAY_MS, zone)];
  const candidates = [local - before, local - after].filter((each) => each + offset(each, zone) === local);
  if (candidates.length === 0) return local - before;
  return isLater ? Math.max(...candidates) : Math.min(...candidates);
}

/**
 * Return the first instant of a day and the first one after it. A day has 23 to 25 hours.
 *
 * @param {string} day
 * @param {string} zone
 * @returns {{from: number, to: number}}
 */
export function dayRange(day, zone) {
  return { from: instantOf(day, "00:00", zone), to: instantOf(addDays(day, 1), "00:00", zone) };
}

/**
 * Return the day of an instant.
 *
 * @param {number} instant
 * @param {string} zone
 */
export function dayOf(instant, zone) {
  return new Date(instant + offset(instant, zone)).toISOString().slice(0, 10);
}

/**
 * Return the time of an instant as "HH:MM" or "HH:MM:SS", the form of a time input.
 *
 * @param {number} instant
 * @param {string} zone
 * @param {{hasSeconds?: boolean}} [options]
 */
export function timeOf(instant, zone, { hasSeconds = false } = {}) {
  return new Date(instant + offset(instant, zone)).toISOString().slice(11, hasSeconds ? 19 : 16);
}

/**
 * @param {string} day
 * @param {number} count Negative for days before.
 */
export function addDays(day, count) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/**
 * Return the seven days of the week that holds a day.
 *
 * @param {string} day
 * @param {number} weekStart 0 (Monday) to 6 (Sunday)
 */
export function weekOf(day, weekStart) {
  const first = addDays(day, -((weekday(day) - weekStart + 7) % 7));
  return Array.from({ length: 7 }, (_, index) => addDays(first, index));
}

/**
 * Return the first instant of the week that holds a day, and the first one after it.
 *
 * @param {string} day
 * @param {number} weekStart 0 (Monday) to 6 (Sunday)
 * @param {string} zone
 * @returns {{from: number, to: number}}
 */
export function weekRange(day, weekStart, zone) {
  const [first = day] = weekOf(day, weekStart);
  return { from: dayRange(first, zone).from, to: dayRange(addDays(first, 6), zone).to };
}

/**
 * Return the weekday: 0 (Monday) to 6 (Sunday).
 *
 * @param {string} day
 */
export function weekday(day) {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
}

/** @param {string} zone */
function format(zone) {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(zone, found);
  }
  return found;
}
