// Numbers of projects, tasks and entries in words.

import { t } from "../../text/index.js";
import { formatNumber } from "../../time/format.js";

const KINDS = /** @type {const} */ (["entries", "tasks", "projects"]);

/** @param {import("../../types").Import["created"]} counts */
export function countsText(counts) {
  return KINDS.map((kind) =>
    t(`import.count_${kind}`, { count: counts[kind], number: formatNumber(counts[kind]) }),
  ).join(", ");
}
