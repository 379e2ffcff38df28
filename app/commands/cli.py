"""The command `task-timer`."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from app.commands.atomic_files import DASH, Destination, display_name
from app.commands.serve import serve, shell_address
from app.config import Settings, get_settings
from app.embedded.endpoint_file import running_endpoint
from app.embedded.store import database_url
from app.errors import CommandError

if TYPE_CHECKING:
    from app.commands.accounts import Accounts

HOW_TO_GET_MONGOSH = "mongosh is not installed. Get it with: npm install -g mongosh"

NOBODY_READS_ON = 128 + signal.SIGPIPE
"""How a shell shows that a program ended since nobody read its output any more."""


class Commands(TyperGroup):
    """The commands, each of which ends without a word when its standard output has no reader any more."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is left in the buffer goes nowhere: else the interpreter complains of it as it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(NOBODY_READS_ON) from None


cli = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

accounts = typer.Typer(help="Manage accounts, also where registration is closed.", no_args_is_help=True)
cli.add_typer(accounts, name="user")

DateOrder = Literal["dmy", "mdy", "ymd"]
ImportFormat = Literal["auto", "toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]
Overlap = Literal["allow", "warn", "forbid"]
FileFormat = Literal["csv", "xlsx", "ndjson", "ics", "account"]
Written = Annotated[
    Path,
    typer.Argument(
        help="Where it goes; - is standard output. A regular file that is there is replaced, "
        "a pipe or a device written through.",
        show_default=False,
    ),
]
Email = Annotated[str, typer.Argument(help="The e-mail address of the account.", show_default=False)]


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"task-timer {version('task-timer')}")
        raise typer.Exit


def main() -> None:
    """Run one command. What goes wrong is told in one sentence, with the exit code 1; a wrong usage has 2."""
    try:
        cli()
    except CommandError as error:
        fail(str(error))
    except Exception as unknown:
        if _is_debugging():
            raise
        # Its own words may quote what is stored, and its traceback is for whoever asks for it.
        fail(f"task-timer failed ({type(unknown).__name__}): this is a fault of it. DEBUG=true shows where.")


def _is_debugging() -> bool:
    try:
        return get_settings().debug
    except Exception:  # noqa: BLE001 - it is being told of already
        return False


@cli.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Task Timer: tasks and the time spent on them, on MongoDB."""


def fail(*sentences: str) -> NoReturn:
    """Say what is wrong on stderr, a line each, and exit with 1."""
    for sentence in sentences:
        typer.echo(sentence, err=True)
    sys.exit(1)


def settings_or_exit() -> Settings:
    """The settings; when they are wrong, the exit, with a line for each mistake but no value."""
    try:
        return get_settings()
    except ValidationError as error:
        fail(*(_mistake(at=found["loc"], says=found["msg"]) for found in error.errors()))
    except UnicodeDecodeError:
        fail("The file .env cannot be read: it is not UTF-8 text.")


def _mistake(*, at: tuple[int | str, ...], says: str) -> str:
    says = says.removeprefix("Value error, ")
    return f"{str(at[0]).upper()}: {says}" if at else says


@cli.command("serve")
def serve_command() -> None:
    """Serve the API, with the embedded store unless DATABASE_URL is set."""
    sys.exit(serve(settings_or_exit()))


@cli.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document of the API: openapi.json, when nothing is set."""
    # Imported late: the other commands do without.
    from app.main import create_app  # noqa: PLC0415

    document = create_app(settings_or_exit()).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@cli.command("doctor")
def doctor_command(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what follows from the rest. No entry is touched.")
    ] = False,
) -> None:
    """Check what is stored against every promise. The exit code is 1 when something is wrong, and stays so."""
    # Imported late: the other commands do without.
    from app.commands.doctor import run_doctor  # noqa: PLC0415

    sys.exit(0 if run_doctor(settings_or_exit(), repair=repair, tell=typer.echo) else 1)


@cli.command("export")
def export_command(
    file: Written,
    form: Annotated[FileFormat, typer.Option("--format", help="What is written.", show_default=False)],
    user: Annotated[str, typer.Option(help="The e-mail address of the account.", show_default=False)],
    from_: Annotated[str | None, typer.Option("--from", help="A day, or an instant.")] = None,
    to: Annotated[str | None, typer.Option(help="As --from, and not part of it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose days these are; the user's own if not given.")] = None,
    include_running: Annotated[bool, typer.Option("--include-running", help="The running timer, too.")] = False,
    cut: Annotated[bool, typer.Option("--cut", help="Of an entry only its part in that time.")] = False,
    bom: Annotated[bool, typer.Option("--bom", help="CSV that Excel knows as UTF-8.")] = False,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV: comma, semicolon or tab.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Of CSV: point or comma.")] = None,
) -> None:
    """Write a user's time entries, or the whole account, to a file."""
    # Imported late: the other commands do without.
    from app.commands.export import export  # noqa: PLC0415
    from app.commands.progress import shown_bytes  # noqa: PLC0415

    given = {"from": from_, "to": to, "timezone": timezone, "include_running": include_running, "bom": bom}
    given |= {"cut": cut, "delimiter": delimiter, "decimal": decimal}
    query = {name: value for name, value in given.items() if value}
    destination = Destination.named(file)
    with shown_bytes(str(destination), hidden=destination.is_a_terminal) as tell:
        size = export(settings_or_exit(), file=destination, form=form, email=user, query=query, tell=tell)
    _tell_of(destination, f"{size:,} bytes")


def _tell_of(destination: Destination, written: str) -> None:
    """Say what was written there, on standard error where standard output is what was written to."""
    if destination.is_standard_output:
        typer.echo(f"{written} written to standard output.", err=True)
    else:
        typer.echo(f"{destination} has {written}.")


@cli.command("backup")
def backup_command(
    file: Written,
) -> None:
    """Write the whole database to a file, everything of all users."""
    # Imported late: the other commands do without.
    from app.commands.backup import back_up  # noqa: PLC0415
    from app.commands.progress import shown_bytes  # noqa: PLC0415

    destination = Destination.named(file)
    with shown_bytes(str(destination), hidden=destination.is_a_terminal) as tell:
        count = back_up(settings_or_exit(), file=destination, tell=tell)
    _tell_of(destination, f"{count:,} documents")


@cli.command("restore")
def restore_command(
    file: Annotated[
        Path, typer.Argument(help="What task-timer backup has written; - is standard input.", show_default=False)
    ],
) -> None:
    """Store all that a backup has, in a database that is empty."""
    # Imported late: the other commands do without.
    from app.commands.backup import restore  # noqa: PLC0415
    from app.commands.progress import shown_bytes  # noqa: PLC0415

    with shown_bytes(display_name(file)) as tell:
        count = restore(settings_or_exit(), file=file, tell=tell)
    typer.echo(f"{count:,} documents are restored.", err=file == DASH)


@cli.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="What is read in; - is standard input.", show_default=False)],
    form: Annotated[ImportFormat, typer.Option("--format", help="What has written it.", show_default=False)],
    user: Annotated[str, typer.Option(help="The e-mail address of the account.", show_default=False)],
    timezone: Annotated[str | None, typer.Option(help="Whose local times it has; needed where it has some.")] = None,
    date_order: Annotated[DateOrder | None, typer.Option(help="Where its dates can be read in two ways.")] = None,
    overlap: Annotated[Overlap | None, typer.Option(help="About tracked time; the user's policy if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing when a row is wrong.")] = False,
    rows_of: Annotated[str | None, typer.Option(help="Of a team's file, the rows of this person alone.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of rates whose currency the file does not tell.")] = None,
    columns: Annotated[str | None, typer.Option(help='Which columns are read: {"task": "Work description"}.')] = None,
    day_start: Annotated[str | None, typer.Option(help="Where days without times of day begin; 09:00.")] = None,
) -> None:
    """Read a file of time entries, or of a whole account, in. The same file again adds nothing."""
    # Imported late: the other commands do without.
    from app.commands.import_ import import_file  # noqa: PLC0415
    from app.commands.progress import shown_rows  # noqa: PLC0415

    given = {"format": form, "timezone": timezone, "date_order": date_order, "dry_run": dry_run, "strict": strict}
    given |= {"user": rows_of, "currency": currency, "columns": columns, "day_start": day_start}
    asked = {name: value for name, value in given.items() if value is not None}
    with shown_rows(display_name(file)) as tell:
        said = import_file(settings_or_exit(), file=file, email=user, asked=asked, overlap=overlap, progress=tell)
    for line in said:
        typer.echo(line, err=file == DASH)


@accounts.command("create")
def create_command(
    email: Email,
    full_name: Annotated[str | None, typer.Option(help="The user's name.")] = None,
    timezone: Annotated[str, typer.Option(help="The user's IANA time zone.")] = "UTC",
) -> None:
    """Make an account. The password is asked for, or read from standard input."""
    _accounts().create(email=email, password=_new_password(), full_name=full_name, timezone=timezone)
    typer.echo(f"{email} has an account.")


@accounts.command("list")
def list_command() -> None:
    """Print a line for each account: e-mail address, state, day it was made and name, with tabs between them."""
    _accounts().tell_of_all(typer.echo)


@accounts.command("reset-password")
def reset_password_command(email: Email) -> None:
    """Set a new password and end all sessions. It is asked for, or read from standard input."""
    _accounts().reset_password(email=email, password=_new_password())
    typer.echo(f"{email} has a new password.")


@accounts.command("disable")
def disable_command(email: Email) -> None:
    """Keep the user out, and end all sessions. Nothing is deleted."""
    _accounts().set_active(email=email, active=False)
    typer.echo(f"{email} is disabled.")


@accounts.command("enable")
def enable_command(email: Email) -> None:
    """Let the user sign in again."""
    _accounts().set_active(email=email, active=True)
    typer.echo(f"{email} is enabled.")


def _accounts() -> "Accounts":
    # Imported late: the other commands do without.
    from app.commands.accounts import Accounts  # noqa: PLC0415

    return Accounts(settings_or_exit())


def _new_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


@cli.command("shell")
def shell_command() -> None:
    """Open mongosh on the database."""
    settings = settings_or_exit()
    mongosh = shutil.which("mongosh")
    if mongosh is None:
        fail(HOW_TO_GET_MONGOSH, _where_the_database_is(settings))
    # SecantusDB's log lines have another form than mongosh expects, and it would print a warning for each.
    quiet = ["--quiet"] if settings.database_url is None else []
    with database_url(settings) as url:
        code = _run_in_the_terminal([mongosh, shell_address(url, settings.database_name), *quiet])
    sys.exit(code)


def _where_the_database_is(settings: Settings) -> str:
    if settings.database_url is not None:
        return "Then open it on your DATABASE_URL with: task-timer shell"
    url = running_endpoint(settings.embedded_data_dir)
    if url is None:
        return "No service is running on this data directory: start one with task-timer serve."
    return f"The database is at: {shell_address(url, settings.database_name)}"


def _run_in_the_terminal(command: list[str]) -> int:
    """Run a program that has the terminal, Ctrl-C included, and return its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)
    program = subprocess.Popen(command)  # noqa: S603 - the mongosh on the user's own PATH
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    code = program.wait()
    return code if code >= 0 else 128 - code
