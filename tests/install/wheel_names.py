"""Print the name and the SHA-256 hash of each wheel of a lock in the format of PEP 751. Called by ``make lock``.

The locks that pip reads contain only hashes. With the names a test can check which platforms have wheels, without
requests to a package index.
"""

import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit


def wheel_names(lock: str) -> list[str]:
    """Return a line ``sha256 file name`` for each wheel, sorted by file name."""
    wheels = [wheel for package in tomllib.loads(lock)["packages"] for wheel in package["wheels"]]
    names = {urlsplit(wheel["url"]).path.rsplit("/", 1)[1]: wheel["hashes"]["sha256"] for wheel in wheels}
    return [f"{names[name]} {name}" for name in sorted(names)]


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in wheel_names(Path(sys.argv[1]).read_text())))
