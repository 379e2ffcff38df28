// What the week shows: which days, which entries, and changes that the service has not confirmed yet.

import { computed, effect, onCleanup, signal } from "../../lib/signal.js";
import { goTo, route } from "../../route.js";
import { second, today } from "../../store/clock.js";
import { entriesBetween } from "../../store/entries.js";
import { waiting } from "../../store/outgoing.js";
import { preferences, weekStart, zone } from "../../store/profile.js";
import { resource } from "../../store/resource.js";
import { timer } from "../../store/timer.js";
import { formatHours } from "../../time/durations.js";
import { addDays, weekOf, weekRange } from "../../time/zones.js";
import { daysFrom, HOUR_MS } from "./days.js";
import { placeInDays, secondsWithin } from "./layout.js";

/**
 * @typedef {import("../../types").ListedEntry} Entry
 *
 * @typedef {object} Item An entry as the grid shows it.
 * @property {string} id
 * @property {number} from An instant in milliseconds.
 * @property {number} to The current time while the entry runs.
 * @property {boolean} isRunning
 * @property {string} title
 * @property {string | null} projectId
 * @property {Entry} entry
 *
 * @typedef {{from: number, to: number}} Range
 * @typedef {ReturnType<typeof weekModel>} WeekModel
 */

/** The heights of an hour in pixels, one a zoom level. */
export const HOUR_HEIGHTS = [32, 48, 96, 192, 384];
const DEFAULT_ZOOM = 1;
const DEFAULT_SNAP_MINUTES = 15;
/** Text of this height can be read: a shorter entry takes as much of the grid. */
const MIN_BLOCK_PX = 17;
/** More lanes than this make the grid zoom in, unless the person has chosen a zoom. */
const LEGIBLE_LANES = 3;

const KINDS = ["entry", "timer", "task", "project", "import"];

/** The numbers of days, each with the width of the window that it needs. */
const DAYS_BY_WIDTH = /** @type {const} */ ([
  [7, "(min-width: 56rem)"],
  [3, "(min-width: 36rem)"],
]);

/** Create the state of the view. */
export function weekModel() {
  const anchor = signal(today.peek());
  effect(() => {
    anchor.value = dayOfRoute() ?? anchor.peek();
  });
  const chosenCount = signal(/** @type {number | null} */ (null));
  const fitting = fittingCount();
  const count = computed(() => chosenCount.value ?? fitting.value);
  const shown = computed(() => {
    return daysFrom(firstDay(anchor.value, count.value), count.value, zone.value);
  });
  const week = computed(() => weekRange(anchor.value, weekStart.value, zone.value));

  const from = computed(() => Math.min(week.value.from, shown.value[0]?.from ?? 0));
  const to = computed(() => Math.max(week.value.to, shown.value.at(-1)?.to ?? 0));
  const { list, isWhole } = entriesOf(from, to);
  const drafts = draftsOf(list);
  const tick = computed(() => Math.floor(second.value / (timer.value ? 10_000 : 60_000)));
  const items = computed(() => {
    void tick.value;
    return toItems(list.data.value ?? [], drafts.byId.value, second.peek());
  });

  const zoom = zoomOf(items, shown);
  const placed = computed(() => placeInDays(items.value, shown.value, shortestMs(zoom.hourHeight.value)));
  return {
    anchor,
    count,
    chosenCount,
    shown,
    list,
    isWhole,
    drafts,
    items,
    placed,
    ...zoom,
    /** The current minute. */
    minute: computed(() => Math.floor(second.value / 60_000) * 60_000),
    /** The seconds of each shown day. */
    dayTotals: computed(() => shown.value.map((day) => secondsWithin(items.value, day))),
    /** The seconds of the week that holds the first shown day. */
    weekTotal: computed(() => secondsWithin(items.value, week.value)),
    /** The step of drags and keys, in milliseconds. */
    step: computed(() => snapMinutes() * 60_000),
    /** The entry that Tab reaches and that the keys change. */
    active: signal(/** @type {string | null} */ (null)),
    /** What a drag would do. */
    ghost: signal(/** @type {(Range & {id: string | null, title: string}) | null} */ (null)),
  };
}

/**
 * Load the entries of a range. Of a week with many of them, the first ones are shown before all are loaded.
 *
 * @param {import("../../lib/signal.js").ReadSignal<number>} from
 * @param {import("../../lib/signal.js").ReadSignal<number>} to
 */
function entriesOf(from, to) {
  /** Whether what is shown are all entries of the range. */
  const isWhole = signal(true);
  let shownRange = "";
  const list = resource(async (/** @type {AbortSignal} */ aborted, /** @type {(part: Entry[]) => void} */ show) => {
    const range = `${from.value} ${to.value}`;
    const entries = await entriesBetween(from.value, to.value, aborted, (first) => {
      // When the same range is loaded again, all of its entries are shown already.
      if (range === shownRange || aborted.aborted) return;
      isWhole.value = false;
      show(first);
    });
    if (!aborted.aborted) {
      shownRange = range;
      isWhole.value = true;
    }
    return entries;
  }, KINDS);
  return { list, isWhole };
}

function snapMinutes() {
  const { snap_minutes: minutes } = /** @type {{snap_minutes?: number}} */ (preferences.value);
  return minutes ?? DEFAULT_SNAP_MINUTES;
}

/**
 * Return the text of a total of the week. There is none before all of its entries are loaded.
 *
 * @param {WeekModel} model
 * @param {number | undefined} seconds
 */
export function totalText(model, seconds = 0) {
  return model.isWhole.value ? formatHours(seconds) : "…";
}

/** Show another day. @param {string} day */
export function showDay(day) {
  goTo(`week/${day}`);
}

/**
 * Return the day to go to from the shown days, forward or back.
 *
 * @param {WeekModel} model
 * @param {1 | -1} direction
 */
export function dayAfter(model, direction) {
  const count = model.count.peek();
  const first = count === 7 ? model.anchor.peek() : firstDay(model.anchor.peek(), count);
  return addDays(first, direction * count);
}

/**
 * Return the first of the days that are shown. Three days end with today rather than with days that have no entries.
 *
 * @param {string} anchor
 * @param {number} count
 */
function firstDay(anchor, count) {
  if (count === 7) return weekOf(anchor, weekStart.value)[0] ?? anchor;
  const latest = addDays(today.value, 1 - count);
  return anchor > latest && anchor <= today.value ? latest : anchor;
}

/** Return the day of the address, and today without one. The profile, and with it the zone, can arrive after the view. */
function dayOfRoute() {
  const { name, rest } = route.value;
  // The view that is left still follows the address for a moment.
  if (name !== "week") return null;
  return isDay(rest) ? rest : today.value;
}

/** @param {string} text */
function isDay(text) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const instant = Date.parse(text);
  return !Number.isNaN(instant) && new Date(instant).toISOString().startsWith(text);
}

/** Return how many days the window has room for. */
function fittingCount() {
  const queries = DAYS_BY_WIDTH.map(([days, query]) => ({ days, query: matchMedia(query) }));
  const fitting = () => queries.find(({ query }) => query.matches)?.days ?? 1;
  const result = signal(/** @type {number} */ (fitting()));
  const update = () => {
    result.value = fitting();
  };
  for (const { query } of queries) query.addEventListener("change", update);
  onCleanup(() => {
    for (const { query } of queries) query.removeEventListener("change", update);
  });
  return result;
}

/**
 * @typedef {object} Draft
 * @property {Range | null} range Null while the entry is being deleted.
 * @property {boolean} isSending
 */

/**
 * Create the changes that show before they are stored, one an entry.
 *
 * A change that waits for the service stays here until the entries have been loaded after it was sent.
 *
 * @param {import("../../store/resource.js").Resource<Entry[]>} list
 */
function draftsOf(list) {
  const byId = signal(/** @type {ReadonlyMap<string, Draft>} */ (new Map()));
  effect(() => {
    if (!list.data.value || waiting.peek().length > 0) return;
    byId.value = new Map([...byId.peek()].filter(([, draft]) => draft.isSending));
  });
  return {
    byId,
    /**
     * @param {string} id
     * @param {Range | null} range
     * @returns {Draft}
     */
    show(id, range) {
      const draft = { range, isSending: true };
      byId.value = new Map(byId.peek()).set(id, draft);
      return draft;
    },
    /**
     * Show what is stored, unless a later change shows.
     *
     * @param {string} id
     * @param {Draft} [draft]
     */
    remove(id, draft) {
      const next = new Map(byId.peek());
      if ((!draft || next.get(id) === draft) && next.delete(id)) byId.value = next;
    },
  };
}

/**
 * @param {readonly Entry[]} entries
 * @param {ReadonlyMap<string, Draft>} drafts
 * @param {number} now
 * @returns {Item[]}
 */
function toItems(entries, drafts, now) {
  const items = [];
  for (const entry of entries) {
    const draft = drafts.get(entry.id);
    if (draft?.range === null) continue;
    const from = draft?.range.from ?? Date.parse(entry.started_at);
    const isRunning = entry.ended_at === null;
    items.push({
      id: entry.id,
      from,
      to: isRunning ? Math.max(from, now) : (draft?.range.to ?? Date.parse(entry.ended_at ?? "")),
      isRunning,
      title: entry.task_title,
      projectId: entry.project_id,
      entry,
    });
  }
  return items;
}

/**
 * @param {import("../../lib/signal.js").ReadSignal<Item[]>} items
 * @param {import("../../lib/signal.js").ReadSignal<import("./days.js").Day[]>} days
 */
function zoomOf(items, days) {
  const chosen = signal(/** @type {number | null} */ (null));
  const automatic = computed(() => (chosen.value === null ? legibleZoom(items.value, days.value) : DEFAULT_ZOOM));
  const level = computed(() => chosen.value ?? automatic.value);
  const hourHeight = computed(() => HOUR_HEIGHTS[level.value] ?? 48);
  /** @param {1 | -1} step */
  const zoomBy = (step) => {
    chosen.value = Math.min(HOUR_HEIGHTS.length - 1, Math.max(0, level.peek() + step));
  };
  return { level, hourHeight, zoomBy };
}

/**
 * Return the first zoom level at which at most some entries stand side by side, from the default on.
 *
 * @param {readonly Item[]} items
 * @param {readonly Range[]} days
 */
function legibleZoom(items, days) {
  if (items.length < 50) return DEFAULT_ZOOM;
  for (let level = DEFAULT_ZOOM; level < HOUR_HEIGHTS.length - 1; level += 1) {
    const placed = placeInDays(items, days, shortestMs(HOUR_HEIGHTS[level] ?? 48)).flat();
    const crowded = placed.filter((segment) => segment.lanes > LEGIBLE_LANES).length;
    if (crowded * 10 <= placed.length) return level;
  }
  return HOUR_HEIGHTS.length - 1;
}

/** @param {number} hourHeight */
function shortestMs(hourHeight) {
  return (MIN_BLOCK_PX / hourHeight) * HOUR_MS;
}
