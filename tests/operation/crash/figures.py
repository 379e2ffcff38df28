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
from tests.races.mixed_load import Ledger
from tests.support.http import Json

PAGE = DOCS / "reliability.rst"
BEGIN, END = ".. figures begin", ".. figures end"
PROPERTY = "kills"
"""Under this name a test leaves its figures to the run."""

LINES = {
    "rounds": "rounds of load and a kill",
    "kills of service": "kills of the service alone",
    "kills of store": "kills of the store alone",
    "kills of both": "kills of both at once",
    "kills of worker": "kills of one of two workers",
    "tried": "requests of the eight clients, each a write",
    "refused": "refused, as they should be (404, 409, 422)",
    "acknowledged": "writes that were acknowledged",
    "lost": "acknowledged writes that were lost",
    "unanswered": "requests that a kill left without an answer, or with 503",
    "done in part": "unanswered ones that were done in part",
}


def figures(ledger: Ledger, kills: Counter[str]) -> dict[str, int]:
    """Those of one service and its clients."""
    acknowledged, refused = ledger.done.total(), ledger.refused
    return {
        "rounds": kills.total(),
        **{f"kills of {kind}": count for kind, count in kills.items()},
        "tried": ledger.tried,
        "refused": refused,
        "acknowledged": acknowledged,
        "lost": len(ledger.lost),
        "unanswered": ledger.tried - refused - acknowledged,
        "done in part": len(ledger.done_in_part),
    }


def total(all_figures: Iterable[dict[str, int]]) -> dict[str, int]:
    """Those of a whole run, in the order of LINES."""
    sums: Counter[str] = Counter()
    for some in all_figures:
        sums.update(some)
    return {name: sums[name] for name in LINES}


def told(run: dict[str, int]) -> list[str]:
    """A line for each figure, for a person."""
    return [f"{run[name]:>8,}  {words}" for name, words in LINES.items()]


def table(runs: list[Json]) -> str:
    """The figures as they stand in the page."""
    sums = total(run["figures"] for run in runs)
    rows = [(words, f"{sums[name]:,}") for name, words in LINES.items()]
    width = max(len(words) for words, _ in rows)
    rule = f"{'=' * width}  ========"
    lines = [f"{words:<{width}}  {figure:>8}" for words, figure in rows]
    return "\n".join([f"Of {runs[-1]['day']}:", "", rule, *lines, rule])


def write(run: dict[str, int], path: Path) -> None:
    """Keeps the figures as JSON."""
    kept = {"day": datetime.now(UTC).date().isoformat(), "figures": run}
    path.write_text(json.dumps(kept, indent=2) + "\n")


def main() -> int:
    """Puts the figures into the page, between the two comments."""
    runs = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    page = PAGE.read_text()
    before, after = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}\n\n{table(runs)}\n\n{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
