"""What the commands have in common: how they fail, and how they read the settings."""

import os
import signal
import sys
from typing import NoReturn

from pydantic import ValidationError

from app.config import Settings, get_settings

BROKEN_PIPE_EXIT_CODE = 128 + signal.SIGPIPE
"""The exit code of a program whose output is no longer read, as shells report it."""


def fail(*sentences: str) -> NoReturn:
    """Print each sentence on its own line on standard error, and exit with 1."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
    sys.exit(1)


def discard_output() -> None:
    """Discard the buffered output, which nothing reads. Otherwise the interpreter reports an error when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def settings_or_exit() -> Settings:
    """Return the settings. If they are invalid, print a line for each error, without the values, and exit."""
    try:
        return get_settings()
    except ValidationError as error:
        fail(*(_setting_error(item["loc"], item["msg"]) for item in error.errors()))
    except UnicodeDecodeError:
        fail("The file .env cannot be read: it is not UTF-8 text.")


def _setting_error(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{str(location[0]).upper()}: {message}" if location else message
