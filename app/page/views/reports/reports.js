// The view "Reports": where the time went, in numbers and charts, to be explained, exported and shared.

import { define, h } from "../../lib/dom.js";
import { computed } from "../../lib/signal.js";
import { attempt, loadFailure } from "../../parts/notice.js";
import { t } from "../../text/index.js";
import { formatDay } from "../../time/format.js";
import { reportBody } from "./body.js";
import { followReport } from "./data.js";
import { exportButtons } from "./exports.js";
import { filterBar } from "./filter_bar.js";
import { shareReport } from "./share_dialog.js";
import { followState } from "./state.js";

define("tt-reports", () => {
  const { state, range, set } = followState();
  const report = followReport(state, range);
  const title = computed(() => rangeText(range.value));
  return [
    h(
      "header",
      { class: "view-header" },
      h(
        "div",
        null,
        h("h1", { tabindex: "-1" }, t("nav.reports")),
        h("p", { class: "muted" }, () => title.value),
      ),
      h(
        "div",
        { class: "report-actions" },
        exportButtons(() => ({ state: state.peek(), range: range.peek() })),
        h(
          "button",
          {
            type: "button",
            class: "primary",
            onclick: () => void attempt(() => shareReport(state.peek(), range.peek(), title.peek())),
          },
          t("reports.share"),
        ),
      ),
    ),
    filterBar({ state, range, set }),
    problem(report),
    reportBody(report),
  ];
});

/** @param {import("./data.js").Report} report */
function problem(report) {
  return h("div", { class: "report-problem" }, () => {
    const error = report.error.value;
    if (!error) return null;
    return loadFailure(error, report.reload);
  });
}

/** @param {import("./state.js").Range} range */
function rangeText({ first, last }) {
  const [from, to] = [first, last].map((day) => formatDay(day, { dateStyle: "medium" }));
  return first === last ? formatDay(first, { dateStyle: "full" }) : `${from} – ${to}`;
}
