"""What all commands have in common: `--version`, error messages and completion."""

import asyncio
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from app.commands.commands import cli
from app.config import Settings
from tests.conftest import Database, MakeUser
from tests.paths import DOCS
from tests.support.http import Client
from tests.support.processes import (
    COMMAND,
    PATIENCE_SECONDS,
    clean_environment,
    eventually,
    run_command,
)
from tests.support.services import environment

EXPORT = ("export", "x.csv", "--format", "csv", "--user", "a@example.com", "--from", "2026-11-01", "--to", "2026-12-01")
IMPORT = ("import", "x.csv", "--format", "csv", "--user", "a@example.com", "--timezone", "UTC")
ON_A_DATABASE = [
    ("doctor",),
    EXPORT,
    IMPORT,
    ("backup", "x.zip"),
    ("user", "list"),
    ("user", "enable", "a@example.com"),
]
"""Examples of the commands that use the database."""

UNREACHABLE = "mongodb://u:s3cret@127.0.0.1:1/?timeoutMS=500"

CRASHING = """
from app.commands.cli import main
from services.accounts.users import UserService

async def crash(*arguments, **named):
    raise RuntimeError("hidden words")

UserService.set_active = crash
main()
"""


def error_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """Assert that the command failed with one sentence on standard error, and return the sentence."""
    assert (result.returncode, result.stdout) == (1, ""), result
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.rstrip().endswith("."), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.rstrip()


class TestVersion:
    def test_version_is_printed(self, tmp_path: Path) -> None:
        result = run_command("--version", folder=tmp_path, PORT="wrong")
        assert (result.returncode, result.stdout, result.stderr) == (0, f"task-timer {version('task-timer')}\n", "")


class TestUserList:
    async def test_each_account_has_a_line(
        self, make_user: MakeUser, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        for email, fields in (
            ("zoe@example.com", {"full_name": "Zoë \x1b[31m\tQ"}),
            ("ada@example.com", {"is_active": False}),
        ):
            user = await make_user(email, **fields)
        await database.users.update_one(
            {"_id": user.user["_id"]}, {"$set": {"email_key": "deleted", "deleted_at": user.user["created_at"]}}
        )
        await make_user("ada@example.com")
        result = await asyncio.to_thread(run_command, "user", "list", folder=tmp_path, **environment(settings))
        day = f"{user.user['created_at']:%Y-%m-%d}"
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [
            f"zoe@example.com\tactive\t{day}\tZoë ?[31m?Q",
            f"ada@example.com\tbeing deleted\t{day}\t",
            f"ada@example.com\tactive\t{day}\t",
        ]

    async def test_disabled_account_is_marked(self, alice: Client, settings: Settings, tmp_path: Path) -> None:
        assert alice.user
        variables = environment(settings)
        await asyncio.to_thread(run_command, "user", "disable", "alice@example.com", folder=tmp_path, **variables)
        result = await asyncio.to_thread(run_command, "user", "list", folder=tmp_path, **variables)
        assert result.stdout.startswith("alice@example.com\tdisabled\t")


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "url"),
        [*((arguments, "mongodb://u:s3cret@x:99999") for arguments in ON_A_DATABASE), (("doctor",), UNREACHABLE)],
        ids=lambda given: " ".join(given[:2]) if isinstance(given, tuple) else given[:12],
    )
    def test_unreachable_database_is_reported_in_one_sentence(
        self, tmp_path: Path, arguments: tuple[str, ...], url: str
    ) -> None:
        (tmp_path / "x.csv").write_text("Start,End,Task\n")
        result = run_command(*arguments, folder=tmp_path, DATABASE_URL=url)
        assert "s3cret" not in error_sentence(result)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv"]

    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [({"PORT": "x"}, "PORT: "), ({"SECRET_KEY_FILE": "none"}, "SECRET_KEY_FILE none cannot be read: No such file")],
    )
    def test_invalid_setting_is_reported(self, tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
        result = run_command("doctor", folder=tmp_path, **variables)
        assert result.returncode == 1
        assert result.stderr.startswith(sentence)
        assert result.stderr.count("\n") == 1

    def test_env_file_that_is_not_text_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
        result = run_command("doctor", folder=tmp_path)
        assert error_sentence(result) == "The file .env cannot be read: it is not UTF-8 text."

    @pytest.mark.parametrize(
        "arguments",
        [("nothing",), ("doctor", "--nothing"), ("export", "x", "--format", "y")],
    )
    def test_wrong_usage_exits_with_2(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        result = run_command(*arguments, folder=tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("Usage: task-timer")
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("debug", [False, True])
    def test_unexpected_error_shows_its_traceback_only_with_debug(
        self, settings: Settings, tmp_path: Path, debug: bool
    ) -> None:
        result = subprocess.run(
            [sys.executable, "-c", CRASHING, "user", "enable", "a@example.com"],
            cwd=tmp_path,
            env=clean_environment(**{**environment(settings), "DEBUG": debug}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if debug:
            assert result.returncode == 1
            assert "hidden words" in result.stderr
        else:
            sentence = "task-timer failed unexpectedly (RuntimeError). Set DEBUG=true to see the traceback."
            assert error_sentence(result) == sentence

    def test_interrupted_command_exits_with_130(self, settings: Settings, tmp_path: Path) -> None:
        """Ctrl-C, while the command waits for standard input."""
        ready_file = tmp_path / "ready_file"
        program = subprocess.Popen(
            [sys.executable, "-c", ANNOUNCING, str(ready_file), "restore", "-"],
            cwd=tmp_path,
            env=clean_environment(**environment(settings)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        eventually(lambda: ready_file.exists() or program.poll() is not None)
        program.send_signal(signal.SIGINT)
        stdout, stderr = program.communicate(timeout=PATIENCE_SECONDS)
        assert (program.returncode, stdout, stderr) == (130, b"", b"")


ANNOUNCING = """
import sys
from pathlib import Path
from app.commands import backup, cli

ready_file = Path(sys.argv.pop(1))
read = backup.open_for_reading

def announce_and_open(path):
    ready_file.touch()
    return read(path)

backup.open_for_reading = announce_and_open
cli.main()
"""
"""`task-timer`, which creates a file when it is about to read its input."""


class TestCompletion:
    def complete(self, shell: str, **variables: str) -> str:
        """Return the completions that the command suggests to the shell."""
        result = subprocess.run(
            [str(COMMAND)],
            env=clean_environment(_TASK_TIMER_COMPLETE=f"complete_{shell}", **variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert result.stderr == ""
        return result.stdout

    def test_bash_completes_commands_and_option_values(self, tmp_path: Path) -> None:
        """In a real bash, set up as docs/operating.rst shows."""
        script = """
            eval "$(_TASK_TIMER_COMPLETE=source_bash task-timer)"
            words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
                      $(complete -p task-timer | sed 's/.*-F \\([^ ]*\\).*/\\1/') task-timer; echo "${COMPREPLY[@]}"; }
            words task-timer ba
            words task-timer user re
            words task-timer export x.csv --format xl
        """
        path = f"{COMMAND.parent}:{clean_environment()['PATH']}"
        result = subprocess.run(
            ["bash", "--norc", "-c", script],
            cwd=tmp_path,
            env=clean_environment(PATH=path),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert (result.stdout.split(), result.stderr) == (["backup", "reset-password", "xlsx"], "")

    def test_zsh_and_fish_complete_commands(self) -> None:
        asked = {"_TYPER_COMPLETE_ARGS": "task-timer user re"}
        assert '"reset-password"' in self.complete("zsh", **asked)
        assert self.complete("fish", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked).startswith("reset-password\t")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_a_completion_script(self, shell: str) -> None:
        result = subprocess.run(
            [str(COMMAND)],
            env=clean_environment(_TASK_TIMER_COMPLETE=f"source_{shell}"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert result.returncode == 0
        assert f"_TASK_TIMER_COMPLETE=complete_{shell}" in result.stdout
        page = (DOCS / "operating.rst").read_text()
        assert f"_TASK_TIMER_COMPLETE=source_{shell} task-timer" in page


def test_errors_of_every_command_are_tested() -> None:
    """Add a new command to ON_A_DATABASE, or to this list if its errors are tested elsewhere."""
    tested_elsewhere = {"serve", "shell", "openapi", "restore"}
    tested = {arguments[0] for arguments in ON_A_DATABASE}
    commands = {info.name for info in cli.registered_commands} | {info.name for info in cli.registered_groups}
    assert commands == tested | tested_elsewhere
