"""The files that commands write and read: regular ones, pipes and devices, and `-` for standard output and input."""

import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, mkstemp
from typing import IO, BinaryIO, Self, cast

from app.errors import CommandError

DASH = Path("-")


class FileError(CommandError):
    """A file cannot be written, or not be read."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a command writes: to a path, or to standard output, by the name `-` or by another such as /dev/stdout."""

    path: Path
    is_standard_output: bool

    @classmethod
    def named(cls, path: Path) -> Self:
        """The destination that somebody calls so."""
        return cls(path, path == DASH or _is_standard_output(path))

    def __str__(self) -> str:
        return "standard output" if self.is_standard_output else str(self.path)

    @property
    def is_a_terminal(self) -> bool:
        """Whether it is standard output, and that is a terminal."""
        return self.is_standard_output and sys.stdout is not None and sys.stdout.isatty()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file to write to.

        A regular file is replaced as a whole when the block ends well, and else left as it was; nobody but its owner
        can read it. The target of a symbolic link is treated so, and the link stays. Everything else is written
        through: a pipe, a device, standard output. Raises FileError; a standard output that nobody reads any more
        raises BrokenPipeError.
        """
        try:
            with self._opened() as file:
                yield file
        except OSError as error:
            if self.is_standard_output and isinstance(error, BrokenPipeError):
                raise
            raise FileError(f"{self} cannot be written: {error.strerror or error}.") from error

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self.is_standard_output:
            if sys.stdout is None:  # nobody gave the process one
                raise OSError("it is closed")
            with _through(sys.stdout.buffer) as stream:
                yield stream
        elif (replaced := _to_replace(self.path)) is not None:
            with _whole_or_not_at_all(replaced) as part:
                yield part
        else:
            # It is there: it is not made, and only a regular file that has no name any more has contents to drop.
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_NOCTTY), "wb") as there, _through(there) as stream:
                if stat.S_ISREG(os.fstat(there.fileno()).st_mode):
                    there.truncate(0)
                yield stream


def open_for_reading(path: Path) -> BinaryIO:
    """The file, or for `-` standard input, from its beginning. Whoever gets it closes it.

    It can be read more than once: what comes out of a pipe or a device is copied to a temporary file first. Raises
    FileError.
    """
    try:
        if path == DASH:
            if sys.stdin is None:  # nobody gave the process one
                raise OSError("it is closed")
            return _copied(sys.stdin.buffer)
        file = path.open("rb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        with file:
            return _copied(file)
    except OSError as error:
        raise FileError(f"{display_name(path)} cannot be read: {error.strerror or error}.") from error


def display_name(path: Path) -> str:
    """What a file that is read is called."""
    return "standard input" if path == DASH else str(path)


def _copied(file: IO[bytes]) -> BinaryIO:
    copy = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - whoever gets it closes it
    shutil.copyfileobj(file, copy, 1024 * 1024)
    copy.seek(0)
    return copy


def _is_standard_output(path: Path) -> bool:
    try:
        return sys.stdout is not None and os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False


def _to_replace(path: Path) -> Path | None:
    """The regular file to put in the place of this one, which need not be there; None for what is written through."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    if not stat.S_ISREG(there.st_mode):
        return None
    real = Path(os.path.realpath(path))
    # A link below /proc or /dev/fd may lead to a file that has no name any more, or another one.
    return real if real.exists() and os.path.samestat(real.stat(), there) else None


@contextmanager
def _whole_or_not_at_all(file: Path) -> Iterator[BinaryIO]:
    """What is written goes beside the file under another name, which becomes its own when the block has ended well."""
    handle, name = mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            yield part
            part.flush()
            os.fsync(part.fileno())
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _through(file: BinaryIO) -> Iterator[BinaryIO]:
    stream = _Stream(file)
    yield cast("BinaryIO", stream)
    stream.flush()


class _Stream(io.BufferedIOBase):
    """A file that is written from the beginning to the end.

    Its writers are not told that it has positions, even where it has: one that was opened for appending would put
    what is written at an earlier position at its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # bytes are all that is written here
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
