// The data of one day: its entries, their changes that are not loaded yet, and the totals of its week.

import { computed, effect, signal } from "../../lib/signal.js";
import { route } from "../../route.js";
import { second, today } from "../../store/clock.js";
import { entriesBetween, secondsByDay } from "../../store/entries.js";
import { waiting } from "../../store/outgoing.js";
import { preferences, weekStart, zone } from "../../store/profile.js";
import { resource } from "../../store/resource.js";
import { ended, timer } from "../../store/timer.js";
import { dayRange, weekOf } from "../../time/zones.js";
import { findOverlaps, secondsWithin } from "./spans.js";

/**
 * @typedef {import("../../types").ListedEntry} ListedEntry
 *
 * @typedef {object} Row An ended entry as the list shows it.
 * @property {string} id
 * @property {ListedEntry | null} entry Null until the service has confirmed it.
 * @property {string} taskId
 * @property {string} title
 * @property {string | null} projectId
 * @property {number} startedAt
 * @property {number} endedAt
 * @property {number} seconds Within the day.
 * @property {Row[]} overlaps The other entries that it overlaps, unless the user allows that.
 *
 * @typedef {ReturnType<typeof createDay>} Day
 */

const DAY = /^\d{4}-\d\d-\d\d$/;
const KINDS = ["entry", "timer", "task", "project", "import", "user"];

/** Create the state of the view. It follows the address. */
export function createDay() {
  const day = computed(() => (isDay(route.value.rest) ? route.value.rest : today.value));
  const range = computed(() => dayRange(day.value, zone.value));
  const local = localChanges();
  const list = resource(async (/** @type {AbortSignal} */ aborted) => {
    const { from, to } = range.value;
    const entries = /** @type {ListedEntry[]} */ (await entriesBetween(from, to, aborted));
    local.forget();
    return { from, entries };
  }, KINDS);
  // A stopped timer stays until it is loaded as an entry: the list of the day can arrive after the timer.
  const unloaded = signal(ended.peek());
  effect(() => {
    if (ended.value.length > 0 || !list.isLoading.value) unloaded.value = ended.value;
  });
  const isLoaded = computed(() => list.data.value?.from === range.value.from);
  const rows = computed(() => {
    const loaded = isLoaded.value ? (list.data.value?.entries ?? []) : [];
    const stored = local.apply(loaded.filter((entry) => entry.ended_at !== null)).map(toRow);
    const pending = unloaded.value
      .filter((each) => !stored.some((row) => row.id === each.entryId || row.startedAt === each.startedAt))
      .map(toPendingRow);
    return finish([...pending, ...stored], range.value);
  });
  return {
    day,
    range,
    rows,
    isLoaded,
    isRunning: computed(
      () => timer.value !== null && timer.value.startedAt < range.value.to && day.value <= today.value,
    ),
    error: list.error,
    reload: list.reload,
    ...local,
    /** Remove an entry that is deleted, until the list is loaded again: somebody may restore it. @param {string} id */
    remove(id) {
      const shown = list.data.peek();
      if (shown) list.data.value = { ...shown, entries: shown.entries.filter((entry) => entry.id !== id) };
      local.unhide(id);
    },
    ...totalsOf(day, rows, isLoaded),
  };
}

/** Changes that are made here and not loaded yet. */
function localChanges() {
  const patches = signal(/** @type {Map<string, Partial<ListedEntry>>} */ (new Map()));
  const hidden = signal(/** @type {Set<string>} */ (new Set()));
  return {
    /** @param {ListedEntry[]} entries */
    apply: (entries) =>
      entries
        .filter((entry) => !hidden.value.has(entry.id))
        .map((entry) => ({ ...entry, ...patches.value.get(entry.id) })),
    /** Forget what the list that is now loaded contains. */
    forget() {
      if (waiting.peek().length === 0) patches.value = new Map();
    },
    /** @param {string} id @param {Partial<ListedEntry>} fields */
    patch(id, fields) {
      patches.value = new Map([...patches.peek(), [id, { ...patches.peek().get(id), ...fields }]]);
    },
    /** @param {string} id */
    hide(id) {
      hidden.value = new Set([...hidden.peek(), id]);
    },
    /** @param {string} id */
    unhide(id) {
      hidden.value = new Set([...hidden.peek()].filter((each) => each !== id));
    },
  };
}

/**
 * The totals of the day and of each day of its week. They grow with the timer.
 *
 * @param {import("../../lib/signal.js").ReadSignal<string>} day
 * @param {import("../../lib/signal.js").ReadSignal<Row[]>} rows
 * @param {import("../../lib/signal.js").ReadSignal<boolean>} isLoaded
 */
function totalsOf(day, rows, isLoaded) {
  const week = computed(() => weekOf(day.value, weekStart.value));
  const first = computed(() => week.value[0] ?? day.value);
  const loaded = resource(async (/** @type {AbortSignal} */ aborted) => {
    const from = first.value;
    return { from, seconds: await secondsByDay(from, 7, zone.value, aborted) };
  }, KINDS);
  const ranges = computed(() => week.value.map((each) => ({ day: each, range: dayRange(each, zone.value) })));
  const seconds = computed(() => {
    const isCurrent = loaded.data.value?.from === first.value;
    const ended = new Map(isCurrent ? loaded.data.value?.seconds : []);
    if (isLoaded.value) {
      ended.set(
        day.value,
        rows.value.reduce((sum, row) => sum + row.seconds, 0),
      );
    }
    return ended;
  });
  const withRunning = computed(() => {
    const running = timer.value;
    if (!running) return seconds.value;
    const now = second.value;
    return new Map(
      ranges.value.map(({ day: each, range }) => [
        each,
        (seconds.value.get(each) ?? 0) + secondsWithin(running.startedAt, now, range),
      ]),
    );
  });
  /** @param {string} of */
  const secondsOf = (of) => withRunning.value.get(of) ?? 0;
  return {
    week,
    secondsOf,
    daySeconds: () => secondsOf(day.value),
    weekSeconds: () => week.value.reduce((sum, each) => sum + secondsOf(each), 0),
  };
}

/** @param {string} text */
function isDay(text) {
  return DAY.test(text) && Number.isFinite(Date.parse(`${text}T00:00:00Z`));
}

/** @param {ListedEntry} entry @returns {Row} */
function toRow(entry) {
  return {
    id: entry.id,
    entry,
    taskId: entry.task_id,
    title: entry.task_title,
    projectId: entry.project_id,
    startedAt: Date.parse(entry.started_at),
    endedAt: Date.parse(entry.ended_at ?? entry.started_at),
    seconds: 0,
    overlaps: [],
  };
}

/** @param {import("../../store/timer.js").EndedTimer} stopped @returns {Row} */
function toPendingRow({ entryId, taskId, title, projectId, startedAt, endedAt }) {
  const id = entryId ?? `pending-${startedAt}`;
  return { id, entry: null, taskId: taskId ?? "", title, projectId, startedAt, endedAt, seconds: 0, overlaps: [] };
}

/**
 * @param {Row[]} rows
 * @param {{from: number, to: number}} range
 * @returns {Row[]} Those of the range, the newest first.
 */
function finish(rows, range) {
  const shown = rows
    .filter((row) => row.startedAt < range.to && (row.endedAt > range.from || row.startedAt >= range.from))
    .map((row) => ({ ...row, seconds: secondsWithin(row.startedAt, row.endedAt, range) }))
    .sort((a, b) => b.startedAt - a.startedAt);
  if ((preferences.value.overlap_policy ?? "allow") === "allow") return shown;
  const overlaps = findOverlaps(shown);
  return shown.map((row) => ({ ...row, overlaps: overlaps.get(row) ?? [] }));
}
