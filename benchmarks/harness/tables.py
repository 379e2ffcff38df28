"""Tables of results: printed, and written into a documentation page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.client import BenchmarkError


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: the names of its columns, and its rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self) -> list[str]:
        """Return the lines of a simple table in reStructuredText."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        border = "  ".join("=" * width for width in widths)
        return [border, _line(self.header, widths), border, *(_line(row, widths) for row in self.rows), border]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def replace_section(page: Path, name: str, lines: Iterable[str]) -> None:
    """Replace the lines of the page between the comments `.. begin NAME` and `.. end NAME`.

    Raises BenchmarkError when the page does not have these comments.
    """
    begin, end = f".. begin {name}\n", f".. end {name}\n"
    text = page.read_text()
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise BenchmarkError(f"{page} has no lines {begin.strip()!r} and {end.strip()!r}")
    page.write_text(f"{before}{begin}\n" + "".join(f"{line}\n" for line in lines) + f"\n{end}{after}")
