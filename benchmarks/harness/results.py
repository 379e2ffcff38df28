"""The results of a benchmark: printed, written into docs/speed.rst, and saved as figures, as the options say."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.client import exit_code
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import replace_section

PAGE = ROOT / "docs" / "speed.rst"

Figures = dict[str, Any]


def publish(section: str, lines: Sequence[str], *, update_docs: bool) -> None:
    """Print the lines. With `update_docs`, also write them into the section of docs/speed.rst."""
    print("\n".join(lines))
    if update_docs:
        replace_section(PAGE, section, lines)


def add_update_docs(parser: argparse.ArgumentParser) -> None:
    """Add the option --update-docs."""
    parser.add_argument("--update-docs", action="store_true", help=f"also write the tables into docs/{PAGE.name}")


def run_command(prog: str, description: str | None, run: Callable[..., None]) -> int:
    """Call `run(update_docs=...)` for a command without other options. Return its exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add_update_docs(parser)
    options = parser.parse_args()
    return exit_code(lambda: run(update_docs=options.update_docs))


def add_figures_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `publish_figures`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="print the figures of this file, measure nothing")
    add_update_docs(parser)


def publish_figures(
    section: str, options: argparse.Namespace, measure: Callable[[], Figures], lines_of: Callable[[Figures], list[str]]
) -> None:
    """Measure, or read the figures of an earlier run. Publish them as lines, and save them."""
    figures = json.loads(options.figures.read_text()) if options.figures else measure()
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    publish(section, lines_of(figures), update_docs=options.update_docs)
