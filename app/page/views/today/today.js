// The entries of one day, and the entries that need review.

import { define } from "../../lib/dom.js";
import { createDay } from "./day.js";
import { entryList } from "./entry_list.js";
import { dayHeader } from "./header.js";
import { reviewList } from "./review.js";

define("tt-today", () => {
  const day = createDay();
  return [dayHeader(day), reviewList(), entryList(day)];
});
