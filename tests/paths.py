"""Where the files stand that tests read."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CASES = ROOT / "tests" / "cases"
SAMPLES = ROOT / "tests" / "samples"
