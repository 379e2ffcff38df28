"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO


@contextmanager
def whole_or_not_at_all(file: Path) -> Iterator[BinaryIO]:
    """What is written goes beside the file under another name, which becomes its own when the block has ended well.

    Nobody but its owner can read it.
    """
    handle, name = mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            yield part
            part.flush()
            os.fsync(part.fileno())
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)
