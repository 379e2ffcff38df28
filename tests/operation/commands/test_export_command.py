"""`task-timer export`."""

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
from tests.support.processes import COMMAND, clean_environment, run_command
from tests.transfer.exports.files import BROKEN, NOVEMBER, many_entries

USER = ("--user", "alice@example.com")
RANGE = ("--from", "2026-11-01", "--to", "2026-12-01")


class Shell:
    """Runs `task-timer export` in a directory, on the database of the test."""

    def __init__(self, folder: Path, database_url: str, database: Database) -> None:
        self.folder = folder
        self.variables: dict[str, Any] = {"DATABASE_URL": database_url, "DATABASE_NAME": database.name}

    async def export(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code, standard output and standard error."""
        result = await asyncio.to_thread(run_command, "export", *arguments, folder=self.folder, **self.variables)
        return result.returncode, result.stdout, result.stderr

    def files(self) -> list[str]:
        """Return the names of the files in the directory."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def shell(tmp_path: Path, database_url: str, database: Database) -> Shell:
    return Shell(tmp_path, database_url, database)


class TestExport:
    async def test_file_is_the_same_as_the_response_of_the_api(self, alice: Client, shell: Shell) -> None:
        await alice.write(await alice.make_task())
        expected = (await alice.get("/exports/time-entries.csv", params={**NOVEMBER, "bom": "true"})).content
        (shell.folder / "week.csv").write_text("old content")
        result = await shell.export("week.csv", "--format", "csv", *USER, *RANGE, "--bom")
        assert result == (0, f"Wrote {len(expected)} bytes to week.csv.\n", "")
        assert (shell.folder / "week.csv").read_bytes() == expected
        assert shell.files() == ["week.csv"]
        assert (shell.folder / "week.csv").stat().st_mode & 0o077 == 0

    async def test_csv_options_change_the_file(self, alice: Client, shell: Shell) -> None:
        await alice.write(await alice.make_task())
        query = {**NOVEMBER, "cut": "true", "delimiter": "semicolon", "decimal": "comma"}
        expected = (await alice.get("/exports/time-entries.csv", params=query)).content
        options = ("--cut", "--delimiter", "semicolon", "--decimal", "comma")
        code, _, stderr = await shell.export("week.csv", "--format", "csv", *USER, *RANGE, *options)
        assert (code, stderr) == (0, "")
        assert (shell.folder / "week.csv").read_bytes() == expected

    async def test_account_export_is_complete(self, alice: Client, shell: Shell) -> None:
        assert alice.user
        code, _, stderr = await shell.export("me.gz", "--format", "account", "--user", "ALICE@example.com")
        assert (code, stderr) == (0, "")
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
    async def test_error_is_reported_in_one_sentence(
        self, alice: Client, shell: Shell, arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert alice.user
        code, _, stderr = await shell.export(*arguments)
        assert (code, stderr.count("\n")) == (1, 1)
        assert stderr.startswith(sentence)
        assert shell.files() == []

    async def test_failed_export_leaves_the_old_file_unchanged(
        self, alice: Client, database: Database, shell: Shell
    ) -> None:
        await many_entries(alice, database, **BROKEN)
        (shell.folder / "all.csv").write_text("old content")
        code, _, _ = await shell.export("all.csv", "--format", "csv", *USER, *RANGE)
        assert code == 1
        assert shell.files() == ["all.csv"]
        assert (shell.folder / "all.csv").read_text() == "old content"


class TestProgress:
    async def test_terminal_shows_the_progress(self, alice: Client, shell: Shell) -> None:
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
