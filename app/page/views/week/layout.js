// Where the entries stand in the grid: split at midnight, side by side where they overlap. All functions are pure.

/**
 * @typedef {object} Span
 * @property {string} id
 * @property {number} from An instant in milliseconds.
 * @property {number} to
 *
 * @typedef {{from: number, to: number}} Range
 */

/**
 * @template {Span} T
 * @typedef {object} Segment The part of an entry that belongs to one day.
 * @property {string} key Unique in the grid.
 * @property {T} item
 * @property {number} dayIndex
 * @property {number} from
 * @property {number} to
 * @property {boolean} isFirst Whether the entry starts in this part.
 * @property {boolean} isLast Whether the entry ends in this part.
 * @property {number} lane The lane in which it begins, counted from 0.
 * @property {number} width The number of lanes that it covers.
 * @property {number} lanes The number of lanes side by side.
 */

/**
 * Return the segments of each day, in order of start.
 *
 * @template {Span} T
 * @param {readonly T[]} items
 * @param {readonly Range[]} days
 * @param {number} minimumMs A shorter segment takes this much of the grid, so that it can be seen.
 * @returns {Segment<T>[][]}
 */
export function placeInDays(items, days, minimumMs) {
  const sorted = [...items].sort((a, b) => a.from - b.from || b.to - a.to || (a.id < b.id ? -1 : 1));
  return days.map((day, dayIndex) => {
    const segments = sorted.filter((item) => touches(item, day)).map((item) => segmentOf(item, day, dayIndex));
    placeSideBySide(segments, minimumMs);
    return segments;
  });
}

/**
 * Return how long the items last within a range, in seconds. Overlapping items count each.
 *
 * @param {readonly Range[]} items
 * @param {Range} range
 */
export function secondsWithin(items, { from, to }) {
  let sum = 0;
  for (const item of items) sum += Math.max(0, Math.min(item.to, to) - Math.max(item.from, from));
  return Math.floor(sum / 1000);
}

/**
 * An entry without length belongs to the day of its instant.
 *
 * @param {Range} item
 * @param {Range} day
 */
function touches(item, day) {
  return item.from < day.to && (item.to > day.from || item.from >= day.from);
}

/**
 * @template {Span} T
 * @param {T} item
 * @param {Range} day
 * @param {number} dayIndex
 * @returns {Segment<T>}
 */
function segmentOf(item, day, dayIndex) {
  return {
    key: `${item.id}/${day.from}`,
    item,
    dayIndex,
    from: Math.max(item.from, day.from),
    to: Math.min(item.to, day.to),
    isFirst: item.from >= day.from,
    isLast: item.to <= day.to,
    lane: 0,
    width: 1,
    lanes: 1,
  };
}

/**
 * Give each segment a lane. Segments that overlap directly or through others form a group, and share its lanes.
 *
 * @template {Span} T
 * @param {Segment<T>[]} segments In order of start.
 * @param {number} minimumMs
 */
function placeSideBySide(segments, minimumMs) {
  /** @type {Segment<T>[]} */
  let group = [];
  let groupEnd = Number.NEGATIVE_INFINITY;
  const endOf = (/** @type {Segment<T>} */ each) => Math.max(each.to, each.from + minimumMs);
  for (const segment of segments) {
    if (segment.from >= groupEnd) {
      placeGroup(group, endOf);
      group = [];
    }
    group.push(segment);
    groupEnd = Math.max(groupEnd, endOf(segment));
  }
  placeGroup(group, endOf);
}

/**
 * @template {Span} T
 * @param {Segment<T>[]} group
 * @param {(segment: Segment<T>) => number} endOf
 */
function placeGroup(group, endOf) {
  /** @type {number[]} The end of the last segment of each lane. */
  const ends = [];
  for (const segment of group) {
    const free = ends.findIndex((end) => end <= segment.from);
    segment.lane = free === -1 ? ends.length : free;
    ends[segment.lane] = endOf(segment);
  }
  for (const segment of group) {
    segment.lanes = ends.length;
    segment.width = freeLanes(segment, group, ends.length, endOf);
  }
}

/**
 * Return the number of lanes that a segment can cover: up to the next segment on its right at the same time.
 *
 * @template {Span} T
 * @param {Segment<T>} segment
 * @param {Segment<T>[]} group
 * @param {number} lanes
 * @param {(segment: Segment<T>) => number} endOf
 */
function freeLanes(segment, group, lanes, endOf) {
  let limit = lanes;
  for (const other of group) {
    if (other.from >= endOf(segment)) break;
    if (other.lane > segment.lane && endOf(other) > segment.from) limit = Math.min(limit, other.lane);
  }
  return limit - segment.lane;
}
