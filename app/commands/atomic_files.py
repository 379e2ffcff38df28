"""The files that commands read and write: regular files, pipes and devices, and `-` for standard input and output."""

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
    """A file cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a command writes: a path or standard output, given as `-` or by a path such as /dev/stdout."""

    path: Path
    is_standard_output: bool

    @classmethod
    def from_path(cls, path: Path) -> Self:
        """Return the destination for a path from the command line."""
        return cls(path, path == DASH or _is_standard_output(path))

    def __str__(self) -> str:
        return "standard output" if self.is_standard_output else str(self.path)

    @property
    def is_terminal(self) -> bool:
        """Whether this is standard output, and standard output is a terminal."""
        return self.is_standard_output and sys.stdout is not None and sys.stdout.isatty()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for writing.

        A regular file is replaced as a whole when the block ends without an error, and is unchanged otherwise. Only
        its owner can read it. If the path is a symbolic link to a regular file, the target is replaced and the link
        stays. A pipe, a device and standard output are written directly. Raises FileError, or BrokenPipeError if
        the reader of standard output has gone.
        """
        try:
            with self._open() as file:
                yield file
        except OSError as error:
            if self.is_standard_output and isinstance(error, BrokenPipeError):
                raise
            raise FileError(f"{self} cannot be written: {error.strerror or error}.") from error

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self.is_standard_output:
            if sys.stdout is None:  # the process was started without a standard output
                raise OSError("it is closed")
            with _write_directly(sys.stdout.buffer) as stream:
                yield stream
        elif (target := _replaceable_file(self.path)) is not None:
            with _write_atomically(target) as draft:
                yield draft
        else:
            # Opened without O_CREAT and O_TRUNC: it exists, and only a regular file that was deleted needs truncation.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_NOCTTY)
            with os.fdopen(descriptor, "wb") as file, _write_directly(file) as stream:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    file.truncate(0)
                yield stream


def open_for_reading(path: Path) -> BinaryIO:
    """Open a file, or standard input for `-`. The caller closes it.

    The result is seekable: input from a pipe or a device is copied to a temporary file first. Raises FileError.
    """
    try:
        if path == DASH:
            if sys.stdin is None:  # the process was started without a standard input
                raise OSError("it is closed")
            return _copy(sys.stdin.buffer)
        file = path.open("rb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        with file:
            return _copy(file)
    except OSError as error:
        raise FileError(f"{display_name(path)} cannot be read: {error.strerror or error}.") from error


def display_name(path: Path) -> str:
    """Return the name of an input file for messages."""
    return "standard input" if path == DASH else str(path)


def _copy(file: IO[bytes]) -> BinaryIO:
    copy = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(file, copy, 1024 * 1024)
    copy.seek(0)
    return copy


def _is_standard_output(path: Path) -> bool:
    try:
        return sys.stdout is not None and os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False


def _replaceable_file(path: Path) -> Path | None:
    """Return the regular file to replace, which need not exist, or None if the path must be written directly."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    if not stat.S_ISREG(status.st_mode):
        return None
    target = Path(os.path.realpath(path))
    # A link in /proc or /dev/fd can lead to a file that was deleted, or whose name is now that of another file.
    return target if target.exists() and os.path.samestat(target.stat(), status) else None


@contextmanager
def _write_atomically(file: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file in the same directory, and rename it to `file` when the block ends without an error."""
    handle, name = mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as draft:
            yield draft
            draft.flush()
            os.fsync(draft.fileno())
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _write_directly(file: BinaryIO) -> Iterator[BinaryIO]:
    stream = _Stream(file)
    yield cast("BinaryIO", stream)
    stream.flush()


class _Stream(io.BufferedIOBase):
    """A file that can only be written sequentially.

    It hides that the file may be seekable. If the file was opened for appending, data that is written at an
    earlier position would go to its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # only bytes are written here
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
