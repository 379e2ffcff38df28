"""Print the name and the SHA-256 hash of each wheel of a lock in the format of PEP 751: ``make lock`` calls it.

The locks that pip reads hold hashes alone. With the names beside them, a test can tell which platforms the pinned
versions have wheels for, without asking a registry.
"""

import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit


def wheel_names(lock: str) -> list[str]:
    """A line ``sha256 file name`` for each wheel, sorted by file name."""
    wheels = [wheel for package in tomllib.loads(lock)["packages"] for wheel in package["wheels"]]
    names = {urlsplit(wheel["url"]).path.rsplit("/", 1)[1]: wheel["hashes"]["sha256"] for wheel in wheels}
    return [f"{names[name]} {name}" for name in sorted(names)]


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in wheel_names(Path(sys.argv[1]).read_text())))
