"""The entry point of `task-timer`."""

import signal
import sys

from app.commands.failures import BROKEN_PIPE_EXIT_CODE, discard_output, fail, settings_or_exit
from app.commands.serve import serve
from app.config import get_settings
from app.errors import CommandError

INTERRUPTED_EXIT_CODE = 128 + signal.SIGINT
"""The exit code of a program that Ctrl-C has ended, as shells report it."""


def main() -> None:
    """Run one command. A failure prints one sentence on standard error and exits with 1; wrong usage exits with 2."""
    try:
        _run_command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)
    except BrokenPipeError:
        discard_output()
        sys.exit(BROKEN_PIPE_EXIT_CODE)
    except CommandError as error:
        fail(str(error))
    except Exception as error:
        if _is_debugging():
            raise
        # The message of the exception may quote stored data.
        fail(f"task-timer failed unexpectedly ({type(error).__name__}). Set DEBUG=true to see the traceback.")


def _run_command() -> None:
    if sys.argv[1:] == ["serve"]:  # without typer, which takes 2 MiB in the process that serves
        sys.exit(serve(settings_or_exit()))
    from app.commands.commands import cli  # noqa: PLC0415

    cli()


def _is_debugging() -> bool:
    try:
        return get_settings().debug
    except Exception:  # noqa: BLE001 - another failure is being reported already
        return False
