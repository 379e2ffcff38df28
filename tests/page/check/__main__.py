"""Check the JavaScript and the style sheets of the page: python -m tests.page.check [--write].

biome checks the format and finds mistakes; with --write it also mends what it can. tsc checks the types, with those of
the API generated from openapi.json. Everything is installed and generated in .page-check, which git ignores.
"""

import hashlib
import sys
from pathlib import Path

from app.static.page import FOLDER as PAGE
from tests.clients.npm import ToolError, has_node, install_packages, run
from tests.paths import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / ".page-check"
DOCUMENT, TYPES = ROOT / "openapi.json", FOLDER / "api-types.d.ts"


def main(arguments: list[str]) -> None:
    """Check the page. Exits with 1 and the findings if there are any."""
    try:
        if has_node("page-check", "the check of the page"):
            check(install_packages(HERE, FOLDER), write=arguments == ["--write"])
            print("page-check: passed")  # noqa: T201 -- a command
    except ToolError as error:
        sys.exit(f"page-check: {error}")


def check(commands: Path, *, write: bool) -> None:
    """Run the checks. Raises ToolError if one of them finds something."""
    # Only this folder: others change meanwhile, since make check also installs packages.
    run(commands / "biome", "check", "--error-on-warnings", *(["--write"] if write else []), PAGE)
    generate_types(commands)
    run(commands / "tsc", "--project", ROOT)
    run(commands / "tsc", "--project", HERE)  # the service worker, which has no document


def generate_types(commands: Path) -> None:
    """Generate the types of the API, unless they are those of the current document."""
    digest = f"// {hashlib.sha256(DOCUMENT.read_bytes()).hexdigest()}\n"
    if TYPES.is_file() and TYPES.read_text().startswith(digest):
        return
    run(commands / "openapi-typescript", DOCUMENT, "--output", TYPES, cwd=FOLDER)
    TYPES.write_text(digest + TYPES.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
