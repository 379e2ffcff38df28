// The entries of one day, and the entries that need review.

import { define, h } from "../../lib/dom.js";
import { signal } from "../../lib/signal.js";
import { whenLoaded } from "../../parts/status/new_version.js";
import { t } from "../../text/index.js";
import { createDay } from "./day.js";
import { entryList } from "./entry_list.js";
import { dayHeader } from "./header.js";

define("tt-today", () => {
  const day = createDay();
  const isReviewComplete = signal(false);
  async function loadReviews() {
    const { reviewList } = await import("./review/review_list.js");
    return () => reviewList(isReviewComplete);
  }
  return [dayHeader(day), whenLoaded(loadReviews, () => null), entryList(day), olderReviews(isReviewComplete)];
});

/** @param {import("../../lib/signal.js").Signal<boolean>} isComplete */
function olderReviews(isComplete) {
  function show() {
    isComplete.value = true;
    document.querySelector("h1")?.focus();
  }
  return h(
    "p",
    { class: "older-reviews", hidden: () => isComplete.value },
    h("button", { type: "button", class: "link", onclick: show }, t("review.older")),
  );
}
