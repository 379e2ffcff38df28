"""The commands of `task-timer`, and their options."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from app.commands.atomic_files import DASH, Destination, display_name
from app.commands.failures import BROKEN_PIPE_EXIT_CODE, discard_output, fail, settings_or_exit
from app.commands.serve import serve, shell_address
from app.config import Settings
from app.embedded.endpoint_file import running_endpoint
from app.embedded.store import database_url

if TYPE_CHECKING:
    from app.commands.accounts import Accounts


class Commands(TyperGroup):
    """The commands. A command ends silently if the reader of its standard output has gone."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            discard_output()
            raise typer.Exit(BROKEN_PIPE_EXIT_CODE) from None


cli = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

accounts = typer.Typer(help="Manage accounts, also if registration is closed.", no_args_is_help=True)
cli.add_typer(accounts, name="user")

DateOrder = Literal["dmy", "mdy", "ymd"]
ImportFormat = Literal["auto", "toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]
Overlap = Literal["allow", "warn", "forbid"]
FileFormat = Literal["csv", "xlsx", "ndjson", "ics", "account"]
OutputFile = Annotated[
    Path,
    typer.Argument(
        help="The file to write; - is standard output. An existing regular file is replaced. "
        "A pipe or a device is written directly.",
        show_default=False,
    ),
]
Email = Annotated[str, typer.Argument(help="The e-mail address of the account.", show_default=False)]
User = Annotated[str, typer.Option(help="The e-mail address of the account.", show_default=False)]


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"task-timer {version('task-timer')}")
        raise typer.Exit


@cli.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Task Timer: tasks and time tracking on MongoDB."""


@cli.command("serve")
def serve_command() -> None:
    """Serve the API. Without DATABASE_URL, the embedded store is started too."""
    sys.exit(serve(settings_or_exit()))


@cli.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document of the API as JSON."""
    from app.main import create_app

    document = create_app(settings_or_exit()).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@cli.command("doctor")
def doctor_command(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Correct what can be derived from other data. Time entries are never changed."),
    ] = False,
) -> None:
    """Check the stored data for inconsistencies. The exit code is 1 if any are left."""
    from app.commands.doctor import run_doctor

    sys.exit(0 if run_doctor(settings_or_exit(), repair=repair, write_line=typer.echo) else 1)


@cli.command("export")
def export_command(
    file: OutputFile,
    form: Annotated[FileFormat, typer.Option("--format", help="The format of the file.", show_default=False)],
    user: User,
    from_: Annotated[str | None, typer.Option("--from", help="The start of the range: a day or an instant.")] = None,
    to: Annotated[str | None, typer.Option(help="The end of the range, exclusive: a day or an instant.")] = None,
    timezone: Annotated[str | None, typer.Option(help="The time zone of the days. Default: the user's.")] = None,
    include_running: Annotated[bool, typer.Option("--include-running", help="Include the running timer.")] = False,
    cut: Annotated[bool, typer.Option("--cut", help="Cut entries that begin before or end after the range.")] = False,
    bom: Annotated[bool, typer.Option("--bom", help="CSV: begin with a byte order mark, for Excel.")] = False,
    delimiter: Annotated[str | None, typer.Option(help="CSV: comma, semicolon or tab.")] = None,
    decimal: Annotated[str | None, typer.Option(help="CSV: the decimal separator, point or comma.")] = None,
) -> None:
    """Export a user's time entries, or the whole account, to a file."""
    from app.commands.export import export

    parameters = {"from": from_, "to": to, "timezone": timezone, "include_running": include_running, "bom": bom}
    parameters |= {"cut": cut, "delimiter": delimiter, "decimal": decimal}
    query = {name: value for name, value in parameters.items() if value}
    _write_file(
        file,
        lambda destination, on_progress: export(
            settings_or_exit(), file=destination, form=form, email=user, query=query, on_progress=on_progress
        ),
        unit="bytes",
    )


@cli.command("backup")
def backup_command(
    file: OutputFile,
) -> None:
    """Back up the whole database to a file. It contains the data of all users."""
    from app.commands.backup import back_up

    _write_file(
        file,
        lambda destination, on_progress: back_up(settings_or_exit(), file=destination, on_progress=on_progress),
        unit="documents",
    )


def _write_file(file: Path, write: Callable[[Destination, Callable[[int], object]], int], *, unit: str) -> None:
    """Write a file, show the progress, and print how much was written.

    `write` gets the destination and a function that it calls with the size of each part, and returns the total.
    """
    from app.commands.progress import shown_bytes

    destination = Destination.from_path(file)
    with shown_bytes(str(destination), hidden=destination.is_terminal) as on_progress:
        total = write(destination, on_progress)
    typer.echo(f"Wrote {total:,} {unit} to {destination}.", err=destination.is_standard_output)


@cli.command("restore")
def restore_command(
    file: Annotated[
        Path,
        typer.Argument(help="A file that task-timer backup has written; - is standard input.", show_default=False),
    ],
) -> None:
    """Restore a backup into an empty database."""
    from app.commands.backup import restore
    from app.commands.progress import shown_bytes

    with shown_bytes(display_name(file)) as on_progress:
        count = restore(settings_or_exit(), file=file, on_progress=on_progress)
    typer.echo(f"Restored {count:,} documents.", err=file == DASH)


@cli.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="The file to import; - is standard input.", show_default=False)],
    form: Annotated[
        ImportFormat, typer.Option("--format", help="The program that wrote the file.", show_default=False)
    ],
    user: User,
    timezone: Annotated[str | None, typer.Option(help="The time zone of the local times in the file.")] = None,
    date_order: Annotated[DateOrder | None, typer.Option(help="How to read dates that are ambiguous.")] = None,
    overlap: Annotated[Overlap | None, typer.Option(help="The overlap policy. Default: the user's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported. Write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if a row is invalid.")] = False,
    rows_of: Annotated[str | None, typer.Option(help="Of the file of a team, import the rows of this person.")] = None,
    currency: Annotated[str | None, typer.Option(help="The currency of rates that have none in the file.")] = None,
    columns: Annotated[str | None, typer.Option(help='The columns to read: {"task": "Work description"}.')] = None,
    day_start: Annotated[str | None, typer.Option(help="When days without times begin. Default: 09:00.")] = None,
) -> None:
    """Import time entries, or a whole account, from a file. The same file again adds nothing."""
    from app.commands.import_ import import_file
    from app.commands.progress import shown_rows

    fields = {"format": form, "timezone": timezone, "date_order": date_order, "dry_run": dry_run, "strict": strict}
    fields |= {"user": rows_of, "currency": currency, "columns": columns, "day_start": day_start}
    form_fields = {name: value for name, value in fields.items() if value is not None}
    with shown_rows(display_name(file)) as progress:
        lines = import_file(
            settings_or_exit(), file=file, email=user, fields=form_fields, overlap=overlap, progress=progress
        )
    for line in lines:
        typer.echo(line, err=file == DASH)


@accounts.command("create")
def create_command(
    email: Email,
    full_name: Annotated[str | None, typer.Option(help="The user's name.")] = None,
    timezone: Annotated[str, typer.Option(help="The user's IANA time zone.")] = "UTC",
) -> None:
    """Create an account. The password is prompted for, or read from standard input."""
    _manage(
        lambda accounts: accounts.create(
            email=email, password=_read_password(), full_name=full_name, timezone=timezone
        ),
        done=f"The account {email} was created.",
    )


@accounts.command("list")
def list_command() -> None:
    """List the accounts, one per line: e-mail address, state, creation date and name, separated by tabs."""
    _manage(lambda accounts: accounts.list_all(typer.echo))


@accounts.command("reset-password")
def reset_password_command(email: Email) -> None:
    """Set a new password and end all sessions. It is prompted for, or read from standard input."""
    _manage(
        lambda accounts: accounts.reset_password(email=email, password=_read_password()),
        done=f"{email} has a new password.",
    )


@accounts.command("disable")
def disable_command(email: Email) -> None:
    """Disable an account and end all its sessions. Nothing is deleted."""
    _manage(lambda accounts: accounts.set_active(email=email, active=False), done=f"{email} is disabled.")


@accounts.command("enable")
def enable_command(email: Email) -> None:
    """Enable a disabled account."""
    _manage(lambda accounts: accounts.set_active(email=email, active=True), done=f"{email} is enabled.")


def _manage(action: "Callable[[Accounts], None]", *, done: str | None = None) -> None:
    from app.commands.accounts import Accounts

    action(Accounts(settings_or_exit()))
    if done is not None:
        typer.echo(done)


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


@cli.command("shell")
def shell_command() -> None:
    """Open mongosh on the database."""
    settings = settings_or_exit()
    mongosh = shutil.which("mongosh")
    if mongosh is None:
        fail("mongosh is not installed. Install it with: npm install -g mongosh", _how_to_connect(settings))
    # mongosh cannot parse the log of SecantusDB and would print a warning for each line.
    quiet = ["--quiet"] if settings.database_url is None else []
    with database_url(settings) as url:
        code = _run_in_terminal([mongosh, shell_address(url, settings.database_name), *quiet])
    sys.exit(code)


def _how_to_connect(settings: Settings) -> str:
    if settings.database_url is not None:
        return "Then open the database of DATABASE_URL with: task-timer shell"
    url = running_endpoint(settings.embedded_data_dir)
    if url is None:
        return "No service is running on this data directory: start one with task-timer serve."
    return f"The database is at: {shell_address(url, settings.database_name)}"


def _run_in_terminal(command: list[str]) -> int:
    """Run an interactive program, which handles Ctrl-C itself, and return its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)
    program = subprocess.Popen(command)  # noqa: S603 - the mongosh on the user's PATH
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    code = program.wait()
    return code if code >= 0 else 128 - code
