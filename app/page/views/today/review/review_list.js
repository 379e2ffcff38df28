// "Needs review": entries of timers that were forgotten or overlap others, with a suggested end.

import { each, h } from "../../../lib/dom.js";
import { computed, signal } from "../../../lib/signal.js";
import { moreButton } from "../../../parts/submission.js";
import { now } from "../../../store/clock.js";
import { listEntries } from "../../../store/entries.js";
import { preferences, zone } from "../../../store/profile.js";
import { resource } from "../../../store/resource.js";
import { t } from "../../../text/index.js";

/**
 * @typedef {import("../../../types").ListedEntry} ListedEntry
 * @typedef {import("./suggestions.js").Entry & {entry: ListedEntry}} Reviewed
 * @typedef {{reviewed: Reviewed, isTooLong: boolean, suggestions: import("./suggestions.js").Suggestion[],
 *   create: Modules["reviewItem"]}} Item
 * @typedef {Awaited<ReturnType<typeof loadModules>>} Modules
 */

const KINDS = ["entry", "timer", "task", "import", "user"];
const MAX_SHOWN = 3;
const MAX_LOADED = 50;
/** Older entries are looked for on request only: the service has to read all entries to find them. */
const RECENT_MS = 31 * 86_400_000;
/** How long before an entry others tell how long such work takes. */
const CONTEXT_MS = 28 * 86_400_000;
const MAX_CONTEXT = 200;

/**
 * Create the list. It is not there when nothing needs review.
 *
 * @param {import("../../../lib/signal.js").ReadSignal<boolean>} isComplete Whether old entries are listed too.
 */
export function reviewList(isComplete) {
  const isWhole = signal(false);
  const loaded = resource(
    (/** @type {AbortSignal} */ aborted) => loadReview(isComplete.value ? undefined : now() - RECENT_MS, aborted),
    KINDS,
  );
  const items = computed(() => {
    const { entries = [], context = [], modules = null } = loaded.data.value ?? {};
    return modules ? entries.map((reviewed) => toItem(reviewed, context, modules)) : [];
  });
  const shown = () => (isWhole.value ? items.value : items.value.slice(0, MAX_SHOWN));
  /** Remove what is done, until the list is loaded again: it may be undone by then. @param {string} id */
  function hide(id) {
    const review = loaded.data.peek();
    if (review) loaded.data.value = { ...review, entries: review.entries.filter(({ entry }) => entry.id !== id) };
  }
  const rows = each(
    h("ul", { class: "review-list", "aria-labelledby": "review-heading" }),
    shown,
    ({ reviewed }) => reviewed.entry.id,
    (item) => item.peek().create(item, hide),
  );
  return h(
    "section",
    { class: "panel review", "aria-labelledby": "review-heading", hidden: () => items.value.length === 0 },
    h(
      "h2",
      { id: "review-heading", tabindex: "-1" },
      t("review.title"),
      " ",
      h("span", { class: "count" }, () => items.value.length),
    ),
    rows,
    moreButton(rows, {
      hasMore: () => items.value.length > shown().length,
      more: () => {
        isWhole.value = true;
      },
      name: "link",
    }),
  );
}

/**
 * @param {number | undefined} since
 * @param {AbortSignal} signal
 */
async function loadReview(since, signal) {
  const page = await listEntries(
    { needsReview: true, ...(since === undefined ? {} : { from: since }) },
    { limit: MAX_LOADED },
    signal,
  );
  // A change that waits for the service can have ended the review.
  const reviewed = page.items.filter((entry) => entry.ended_at !== null && entry.needs_review);
  const entries = reviewed.map((entry) => toReviewed(entry));
  const [newest] = entries;
  if (!newest) return { entries, context: [], modules: null };
  const from = Math.min(...entries.slice(0, MAX_SHOWN).map((each) => each.startedAt)) - CONTEXT_MS;
  const to = Math.max(...entries.map((each) => each.endedAt));
  const [around, modules] = await Promise.all([
    listEntries({ from, to }, { limit: MAX_CONTEXT }, signal),
    loadModules(),
  ]);
  return {
    entries,
    modules,
    context: around.items.filter((entry) => entry.ended_at !== null).map((entry) => toReviewed(entry)),
  };
}

/** Load what is needed only when there is something to review. */
async function loadModules() {
  const [{ reviewItem }, { suggest }] = await Promise.all([import("./review_item.js"), import("./suggestions.js")]);
  return { reviewItem, suggest };
}

/** @param {import("../../../types").Entry} entry @returns {Reviewed} */
function toReviewed(entry) {
  const listed = /** @type {ListedEntry} */ (entry);
  return {
    entry: listed,
    taskId: entry.task_id,
    title: listed.task_title,
    startedAt: Date.parse(entry.started_at),
    endedAt: Date.parse(entry.ended_at ?? entry.started_at),
  };
}

/**
 * @param {Reviewed} reviewed
 * @param {readonly Reviewed[]} context
 * @param {Modules} modules
 * @returns {Item}
 */
function toItem(reviewed, context, { suggest, reviewItem }) {
  const cap = (preferences.value.timer_cap_hours ?? 12) * 3_600_000;
  const isTooLong = reviewed.endedAt - reviewed.startedAt > cap;
  const others = context.filter(
    ({ entry }) =>
      entry.id !== reviewed.entry.id &&
      !(entry.needs_review && Date.parse(entry.ended_at ?? "") - Date.parse(entry.started_at) > cap),
  );
  return {
    create: reviewItem,
    reviewed,
    isTooLong,
    suggestions: suggest(reviewed, { others, isTooLong, zone: zone.value }),
  };
}
