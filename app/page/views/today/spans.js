// Entries of a day as spans of time: their seconds within the day, gaps and overlaps.

/**
 * @typedef {{startedAt: number, endedAt: number}} Span Instants in milliseconds.
 * @typedef {{from: number, to: number}} Range
 */

/** A shorter gap is a pause between two tasks, not forgotten time. */
const MIN_GAP_MS = 300_000;

/**
 * Return the seconds of a span that lie in a range.
 *
 * @param {number} startedAt
 * @param {number} endedAt
 * @param {Range} range
 */
export function secondsWithin(startedAt, endedAt, { from, to }) {
  return Math.max(0, Math.floor((Math.min(endedAt, to) - Math.max(startedAt, from)) / 1000));
}

/**
 * Return the gaps between spans, the newest first.
 *
 * @param {readonly Span[]} spans In any order.
 * @returns {Span[]}
 */
export function findGaps(spans) {
  const [first, ...others] = [...spans].sort((a, b) => a.startedAt - b.startedAt);
  if (!first) return [];
  const gaps = [];
  let covered = first.endedAt;
  for (const { startedAt, endedAt } of others) {
    if (startedAt - covered >= MIN_GAP_MS) gaps.push({ startedAt: covered, endedAt: startedAt });
    covered = Math.max(covered, endedAt);
  }
  return gaps.reverse();
}

/**
 * Return the other spans that each span overlaps.
 *
 * @template {Span} S
 * @param {readonly S[]} spans
 * @returns {Map<S, S[]>} Only spans with overlaps.
 */
export function findOverlaps(spans) {
  const sorted = [...spans].sort((a, b) => a.startedAt - b.startedAt);
  /** @type {Map<S, S[]>} */
  const overlaps = new Map();
  /** @param {S} span @param {S} other */
  const add = (span, other) => overlaps.set(span, [...(overlaps.get(span) ?? []), other]);
  for (const [index, span] of sorted.entries()) {
    for (const other of sorted.slice(index + 1)) {
      if (other.startedAt >= span.endedAt) break;
      if (other.endedAt === other.startedAt || span.endedAt === span.startedAt) continue;
      add(span, other);
      add(other, span);
    }
  }
  return overlaps;
}
