"""The results of the crash tests: printed at the end of a run, stored as JSON, and written into docs/reliability.rst.

`python -m tests.operation.crash.figures FILE...` adds up the runs that CRASH_FIGURES stored in these files, and writes
the sums into the page.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.paths import DOCS
from tests.races.ledger import Ledger
from tests.support.http import Json

PAGE = DOCS / "reliability.rst"
BEGIN, END = ".. figures begin", ".. figures end"
PROPERTY = "kills"
"""The name of the pytest property in which a test reports its figures."""

LINES = {
    "rounds": "rounds",
    "kills of service": "kills of the service alone",
    "kills of store": "kills of the store alone",
    "kills of both": "kills of both at once",
    "kills of worker": "kills of one of two workers",
    "tried": "write requests of the eight clients",
    "refused": "refused as expected (404, 409, 422)",
    "acknowledged": "acknowledged writes",
    "lost": "acknowledged writes that were lost",
    "unanswered": "requests without a response, or with 503",
    "done in part": "of these, done in part",
}


def figures(ledger: Ledger, kills: Counter[str]) -> dict[str, int]:
    """Return the figures of one service and its clients."""
    acknowledged, refused = ledger.succeeded.total(), ledger.rejected
    return {
        "rounds": kills.total(),
        **{f"kills of {kind}": count for kind, count in kills.items()},
        "tried": ledger.sent,
        "refused": refused,
        "acknowledged": acknowledged,
        "lost": len(ledger.lost),
        "unanswered": ledger.sent - refused - acknowledged,
        "done in part": len(ledger.partial),
    }


def total(all_figures: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add up the figures of a run, in the order of LINES."""
    sums: Counter[str] = Counter()
    for each in all_figures:
        sums.update(each)
    return {name: sums[name] for name in LINES}


def summary_lines(run: dict[str, int]) -> list[str]:
    """Format one line of text for each figure."""
    return [f"{run[name]:>8,}  {words}" for name, words in LINES.items()]


def table(runs: list[Json]) -> str:
    """Format the figures as a table of the page."""
    sums = total(run["figures"] for run in runs)
    rows = [(words, f"{sums[name]:,}") for name, words in LINES.items()]
    width = max(len(words) for words, _ in rows)
    rule = f"{'=' * width}  ========"
    lines = [f"{words:<{width}}  {figure:>8}" for words, figure in rows]
    return "\n".join([f"Measured on {runs[-1]['day']}:", "", rule, *lines, rule])


def write(run: dict[str, int], path: Path) -> None:
    """Store the figures as JSON."""
    stored = {"day": datetime.now(UTC).date().isoformat(), "figures": run}
    path.write_text(json.dumps(stored, indent=2) + "\n")


def main() -> int:
    """Write the figures into the page, between the two comments."""
    runs = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    page = PAGE.read_text()
    before, after = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}\n\n{table(runs)}\n\n{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
