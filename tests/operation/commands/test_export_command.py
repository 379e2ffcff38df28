"""`task-timer export`: the files of the API, from the shell."""

import asyncio
import gzip
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import Client
from tests.support.processes import COMMAND, clean_environment, outcome
from tests.transfer.test_exports import BROKEN, NOVEMBER, many_entries

USER = ("--user", "alice@example.com")
RANGE = ("--from", "2026-11-01", "--to", "2026-12-01")


class Shell:
    """`task-timer export` in a folder, on the database of this test."""

    def __init__(self, folder: Path, database_url: str, database: Database) -> None:
        self.folder = folder
        self.variables: dict[str, Any] = {"DATABASE_URL": database_url, "DATABASE_NAME": database.name}

    async def export(self, *arguments: str) -> tuple[int, str, str]:
        """How it exits, and what it says on stdout and on stderr."""
        told = await asyncio.to_thread(outcome, "export", *arguments, folder=self.folder, **self.variables)
        return told.returncode, told.stdout, told.stderr

    def left(self) -> list[str]:
        """The files that are there."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def shell(tmp_path: Path, database_url: str, database: Database) -> Shell:
    return Shell(tmp_path, database_url, database)


class TestTheCommand:
    async def test_writes_what_the_api_answers(self, alice: Client, shell: Shell) -> None:
        await alice.write(await alice.make_task())
        answered = (await alice.get("/exports/time-entries.csv", params={**NOVEMBER, "bom": "true"})).content
        (shell.folder / "week.csv").write_text("what was there")
        told = await shell.export("week.csv", "--format", "csv", *USER, *RANGE, "--bom")
        assert told == (0, f"Wrote {len(answered)} bytes to week.csv.\n", "")
        assert (shell.folder / "week.csv").read_bytes() == answered
        assert shell.left() == ["week.csv"]
        assert (shell.folder / "week.csv").stat().st_mode & 0o077 == 0

    async def test_writes_what_a_program_wants_of_csv(self, alice: Client, shell: Shell) -> None:
        await alice.write(await alice.make_task())
        query = {**NOVEMBER, "cut": "true", "delimiter": "semicolon", "decimal": "comma"}
        answered = (await alice.get("/exports/time-entries.csv", params=query)).content
        options = ("--cut", "--delimiter", "semicolon", "--decimal", "comma")
        code, _, said = await shell.export("week.csv", "--format", "csv", *USER, *RANGE, *options)
        assert (code, said) == (0, "")
        assert (shell.folder / "week.csv").read_bytes() == answered

    async def test_writes_the_whole_account(self, alice: Client, shell: Shell) -> None:
        assert alice.user
        code, _, said = await shell.export("me.gz", "--format", "account", "--user", "ALICE@example.com")
        assert (code, said) == (0, "")
        lines = gzip.decompress((shell.folder / "me.gz").read_bytes()).splitlines()
        assert b'"type":"end"' in lines[-1]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("x.csv", "--format", "csv", *USER), "--from field required."),
            (("none/x.csv", "--format", "csv", *USER, *RANGE), "none/x.csv cannot be written: No such file"),
        ],
        ids=str,
    )
    async def test_says_in_a_sentence_what_cannot_be_done(
        self, alice: Client, shell: Shell, arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert alice.user
        code, _, said = await shell.export(*arguments)
        assert (code, said.count("\n")) == (1, 1)
        assert said.startswith(sentence)
        assert shell.left() == []

    async def test_leaves_nothing_that_was_cut_short(self, alice: Client, database: Database, shell: Shell) -> None:
        await many_entries(alice, database, **BROKEN)
        (shell.folder / "all.csv").write_text("what was there")
        code, _, _ = await shell.export("all.csv", "--format", "csv", *USER, *RANGE)
        assert code == 1
        assert shell.left() == ["all.csv"]
        assert (shell.folder / "all.csv").read_text() == "what was there"


class TestInATerminal:
    async def test_shows_how_far_it_is(self, alice: Client, shell: Shell) -> None:
        await alice.write(await alice.make_task())
        terminal, end = pty.openpty()
        try:
            command = [str(COMMAND), "export", "x.csv", "--format", "csv", *USER, *RANGE]
            ended = await asyncio.to_thread(
                subprocess.run,
                command,
                cwd=shell.folder,
                env=clean_environment(**shell.variables, TERM="xterm"),
                stdout=subprocess.PIPE,
                stderr=end,
                timeout=60,
                check=False,
            )
            assert ended.returncode == 0
            assert "x.csv" in os.read(terminal, 10_000).decode()
        finally:
            os.close(terminal)
            os.close(end)
