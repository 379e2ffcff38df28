"""What all commands have in common: `--version`, completion, and how they say what they cannot do."""

import asyncio
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from app.commands.cli import cli
from app.config import Settings
from tests.conftest import Database, MakeUser
from tests.paths import DOCS
from tests.support.http import Client
from tests.support.processes import COMMAND, PATIENCE_SECONDS, clean_environment, eventually, outcome, outcome_executed
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
"""One of each kind of command that works on a database."""

AWAY = "mongodb://u:s3cret@127.0.0.1:1"

CRASHING = """
from app.commands.cli import main
from services.accounts.users import UserService

async def crash(*arguments, **named):
    raise RuntimeError("hidden words")

UserService.set_active = crash
main()
"""


def fails_in_a_sentence(said: subprocess.CompletedProcess[str]) -> str:
    """What it says on standard error: one sentence, and no traceback."""
    assert (said.returncode, said.stdout) == (1, ""), said
    assert said.stderr.count("\n") == 1, said.stderr
    assert said.stderr.rstrip().endswith("."), said.stderr
    assert "Traceback" not in said.stderr
    return said.stderr.rstrip()


class TestTheVersion:
    def test_is_told(self, tmp_path: Path) -> None:
        said = outcome("--version", folder=tmp_path, PORT="wrong")
        assert (said.returncode, said.stdout, said.stderr) == (0, f"task-timer {version('task-timer')}\n", "")


class TestTheListOfAccounts:
    async def test_has_a_line_for_each(
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
        said = await asyncio.to_thread(outcome, "user", "list", folder=tmp_path, **environment(settings))
        day = f"{user.user['created_at']:%Y-%m-%d}"
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout.splitlines() == [
            f"zoe@example.com\tactive\t{day}\tZoë ?[31m?Q",
            f"ada@example.com\tbeing deleted\t{day}\t",
            f"ada@example.com\tactive\t{day}\t",
        ]

    async def test_tells_who_is_disabled(self, alice: Client, settings: Settings, tmp_path: Path) -> None:
        assert alice.user
        variables = environment(settings)
        await asyncio.to_thread(outcome, "user", "disable", "alice@example.com", folder=tmp_path, **variables)
        said = await asyncio.to_thread(outcome, "user", "list", folder=tmp_path, **variables)
        assert said.stdout.startswith("alice@example.com\tdisabled\t")


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("arguments", "url"),
        [*((arguments, "mongodb://u:s3cret@x:99999") for arguments in ON_A_DATABASE), (("doctor",), AWAY)],
        ids=lambda given: " ".join(given[:2]) if isinstance(given, tuple) else given[:12],
    )
    def test_since_the_database_is_not_there(self, tmp_path: Path, arguments: tuple[str, ...], url: str) -> None:
        (tmp_path / "x.csv").write_text("Start,End,Task\n")
        said = outcome_executed(*arguments, folder=tmp_path, DATABASE_URL=url)
        assert "s3cret" not in fails_in_a_sentence(said)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv"]

    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [({"PORT": "x"}, "PORT: "), ({"SECRET_KEY_FILE": "none"}, "SECRET_KEY_FILE none cannot be read: No such file")],
    )
    def test_since_a_setting_is_wrong(self, tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
        said = outcome("doctor", folder=tmp_path, **variables)
        assert said.returncode == 1
        assert said.stderr.startswith(sentence)
        assert said.stderr.count("\n") == 1

    def test_since_the_file_of_settings_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
        said = outcome("doctor", folder=tmp_path)
        assert fails_in_a_sentence(said) == "The file .env cannot be read: it is not UTF-8 text."

    @pytest.mark.parametrize(
        "arguments",
        [("nothing",), ("doctor", "--nothing"), ("export", "x", "--format", "y")],
    )
    def test_since_nobody_can_tell_what_is_meant(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        said = outcome(*arguments, folder=tmp_path)
        assert (said.returncode, said.stdout) == (2, "")
        assert said.stderr.startswith("Usage: task-timer")
        assert "Traceback" not in said.stderr

    @pytest.mark.parametrize("debug", [False, True])
    def test_for_a_reason_that_nobody_knows(self, settings: Settings, tmp_path: Path, debug: bool) -> None:
        said = subprocess.run(
            [sys.executable, "-c", CRASHING, "user", "enable", "a@example.com"],
            cwd=tmp_path,
            env=clean_environment(**{**environment(settings), "DEBUG": debug}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if debug:
            assert said.returncode == 1
            assert "hidden words" in said.stderr
        else:
            sentence = "task-timer failed unexpectedly (RuntimeError). Set DEBUG=true to see the traceback."
            assert fails_in_a_sentence(said) == sentence

    def test_since_it_is_interrupted(self, settings: Settings, tmp_path: Path) -> None:
        """Ctrl-C, while it waits for its standard input."""
        waits = tmp_path / "waits"
        program = subprocess.Popen(
            [sys.executable, "-c", WAITING, str(waits), "restore", "-"],
            cwd=tmp_path,
            env=clean_environment(**environment(settings)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        eventually(lambda: waits.exists() or program.poll() is not None)
        program.send_signal(signal.SIGINT)
        stdout, stderr = program.communicate(timeout=PATIENCE_SECONDS)
        assert (program.returncode, stdout, stderr) == (130, b"", b"")


WAITING = """
import sys
from pathlib import Path
from app.commands import backup, cli

waits = Path(sys.argv.pop(1))
read = backup.open_for_reading

def announced(path):
    waits.touch()
    return read(path)

backup.open_for_reading = announced
cli.main()
"""
"""`task-timer`, which tells by a file that it is about to read."""


class TestCompletion:
    def complete(self, shell: str, **variables: str) -> str:
        """What the command answers a shell that asks for the rest of a word."""
        said = subprocess.run(
            [str(COMMAND)],
            env=clean_environment(_TASK_TIMER_COMPLETE=f"complete_{shell}", **variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert said.stderr == ""
        return said.stdout

    def test_in_bash(self, tmp_path: Path) -> None:
        """As docs/operating.rst has it, in a real bash."""
        script = """
            eval "$(_TASK_TIMER_COMPLETE=source_bash task-timer)"
            words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
                      $(complete -p task-timer | sed 's/.*-F \\([^ ]*\\).*/\\1/') task-timer; echo "${COMPREPLY[@]}"; }
            words task-timer ba
            words task-timer user re
            words task-timer export x.csv --format xl
        """
        path = f"{COMMAND.parent}:{clean_environment()['PATH']}"
        said = subprocess.run(
            ["bash", "--norc", "-c", script],
            cwd=tmp_path,
            env=clean_environment(PATH=path),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert (said.stdout.split(), said.stderr) == (["backup", "reset-password", "xlsx"], "")

    def test_in_zsh_and_fish(self) -> None:
        asked = {"_TYPER_COMPLETE_ARGS": "task-timer user re"}
        assert '"reset-password"' in self.complete("zsh", **asked)
        assert self.complete("fish", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked).startswith("reset-password\t")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_has_a_script_for_each_shell(self, shell: str) -> None:
        said = subprocess.run(
            [str(COMMAND)],
            env=clean_environment(_TASK_TIMER_COMPLETE=f"source_{shell}"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert said.returncode == 0
        assert f"_TASK_TIMER_COMPLETE=complete_{shell}" in said.stdout
        page = (DOCS / "operating.rst").read_text()
        assert f"_TASK_TIMER_COMPLETE=source_{shell} task-timer" in page


def test_every_command_is_tried_here_or_has_tests_of_its_own() -> None:
    """A new command is to be added above, or to this list beside the module that tests how it fails."""
    elsewhere = {"serve", "shell", "openapi", "restore"}
    tried = {arguments[0] for arguments in ON_A_DATABASE}
    commands = {info.name for info in cli.registered_commands} | {info.name for info in cli.registered_groups}
    assert commands == tried | elsewhere
