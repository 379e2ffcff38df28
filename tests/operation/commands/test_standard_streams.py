"""`-`, pipes, devices and symbolic links: what `task-timer export`, `import`, `backup` and `restore` do with them.

Nothing here names a device of the machine: a program that replaced what it should write through would replace it.
"""

import asyncio
import csv
import io
import os
import pty
import stat
import subprocess
import tty
import zipfile
from pathlib import Path

import pytest

from app.config import Settings
from tests.conftest import Database
from tests.support import forked
from tests.support.http import Client
from tests.support.processes import COMMAND, PATIENCE_SECONDS, clean_environment, named_pipe
from tests.transfer.test_exports import many_entries

USER = ("--user", "alice@example.com")
CSV = ("--format", "csv", *USER, "--from", "2026-11-01", "--to", "2026-12-01")
ROWS = b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n"
READ_IN = ("--format", "csv", *USER, "--timezone", "UTC")


pytestmark = pytest.mark.usefixtures("tracked")


class Shell:
    """`task-timer` in a folder, between pipes, on the database of this test or on another."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        assert settings.database_url is not None
        self.folder = folder
        self.url = settings.database_url.get_secret_value()
        self.database = settings.database_name

    async def run(
        self,
        *arguments: str,
        given: bytes = b"",
        on: str = "",
        pass_fds: tuple[int, ...] = (),
        stdout: int = subprocess.PIPE,
    ) -> tuple[int, bytes, str]:
        """How it exits, and what it writes to standard output and to standard error.

        It is executed where it gets a file descriptor of the test's, else forked.
        """
        env = clean_environment(DATABASE_URL=self.url, DATABASE_NAME=on or self.database)
        if stdout == subprocess.PIPE and not pass_fds:
            ended = await asyncio.to_thread(
                forked.run, arguments, cwd=self.folder, env=env, given=given, timeout=PATIENCE_SECONDS
            )
        else:
            ended = await asyncio.to_thread(
                subprocess.run,
                [str(COMMAND), *arguments],
                cwd=self.folder,
                env=env,
                input=given,
                stdout=stdout,
                stderr=subprocess.PIPE,
                pass_fds=pass_fds,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        return ended.returncode, ended.stdout or b"", ended.stderr.decode()

    def left(self) -> list[str]:
        """The files that are there."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def shell(tmp_path: Path, settings: Settings) -> Shell:
    return Shell(tmp_path, settings)


@pytest.fixture
async def tracked(alice: Client) -> Client:
    """A user with an hour."""
    await alice.write(await alice.make_task())
    return alice


def hours(content: bytes) -> list[str]:
    return [row["task"] for row in csv.DictReader(io.StringIO(content.decode()))]


class TestADash:
    async def test_is_standard_output_of_an_export(self, shell: Shell) -> None:
        code, written, said = await shell.run("export", "-", *CSV)
        assert (code, said) == (0, f"Wrote {len(written)} bytes to standard output.\n")
        assert hours(written) == ["Write the offer"]
        assert shell.left() == []

    async def test_is_standard_input_of_an_import(self, tracked: Client, shell: Shell) -> None:
        code, written, said = await shell.run("import", "-", *READ_IN, given=ROWS)
        assert (code, written) == (0, b"")
        assert said.startswith("1 entry, 1 task and 0 projects created.\n")
        assert "Import " in said
        titles = [task["title"] for task in (await tracked.list())["items"]]
        assert sorted(titles) == ["Mail", "Write the offer"]

    async def test_is_both_ends_of_a_backup(self, shell: Shell, database: Database, empty_database: Database) -> None:
        code, archive, said = await shell.run("backup", "-")
        assert code == 0
        assert said.endswith(" documents to standard output.\n")
        assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None
        code, written, said = await shell.run("restore", "-", given=archive, on=empty_database.name)
        assert (code, written) == (0, b"")
        assert said.startswith("Restored ")
        assert await empty_database.tasks.find().to_list() == await database.tasks.find().to_list()
        assert shell.left() == []

    async def test_may_be_a_file_that_others_have_written_to(self, shell: Shell) -> None:
        """Appending is where a writer that goes back to what it has written would spoil it."""
        with (shell.folder / "all").open("ab") as file:
            file.write(b"before")
            file.flush()
            assert (await shell.run("backup", "-", stdout=file.fileno()))[0] == 0
        content = (shell.folder / "all").read_bytes()
        assert content.startswith(b"beforePK")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert archive.read("tasks.bson")

    async def test_says_what_is_wrong_on_standard_error(self, shell: Shell) -> None:
        refused = [
            (("export", "-", "--format", "csv", *USER), b"", "--from field required.\n"),
            (("restore", "-"), b"PK", "standard input is not a complete backup: it is truncated, or another"),
            (("import", "-", *READ_IN), b"", "The file "),
        ]
        for arguments, given, sentence in refused:
            code, written, said = await shell.run(*arguments, given=given)
            assert (code, written, said.count("\n")) == (1, b"", 1)
            assert said.startswith(sentence)


class TestAPipe:
    @pytest.mark.parametrize("arguments", [("export", "pipe", *CSV), ("backup", "pipe")], ids=lambda given: given[0])
    async def test_that_has_a_name_is_written_through(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        with named_pipe(shell.folder / "pipe") as (pipe, end):
            running = asyncio.create_task(shell.run(*arguments))
            running.add_done_callback(lambda _: end())
            content = await asyncio.to_thread(pipe.read)
            code, said, wrong = await running
        assert (code, wrong) == (0, "")
        assert said.endswith(b" to pipe.\n")
        assert stat.S_ISFIFO((shell.folder / "pipe").lstat().st_mode)
        assert shell.left() == ["pipe"]
        assert hours(content) == ["Write the offer"] if arguments[0] == "export" else content.startswith(b"PK")

    async def test_is_read(self, shell: Shell, empty_database: Database) -> None:
        archive = (await shell.run("backup", "-"))[1]
        for arguments, content in ((("import", *READ_IN), ROWS), (("restore",), archive)):
            read_end, write_end = os.pipe()
            os.write(write_end, content)
            os.close(write_end)
            on = empty_database.name if arguments[0] == "restore" else ""
            code, _, wrong = await shell.run(*arguments, f"/dev/fd/{read_end}", on=on, pass_fds=(read_end,))
            os.close(read_end)
            assert (code, wrong) == (0, "")
        assert await empty_database.tasks.count_documents({}) == 1

    async def test_that_has_a_number_is_written_through(self, shell: Shell) -> None:
        read_end, write_end = os.pipe()
        code, said, wrong = await shell.run("export", f"/dev/fd/{write_end}", *CSV, pass_fds=(write_end,))
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            content = pipe.read()
        assert (code, wrong) == (0, "")
        assert said.endswith(f" to /dev/fd/{write_end}.\n".encode())
        assert hours(content) == ["Write the offer"]

    async def test_that_nobody_reads_to_its_end_is_told_of(
        self, tracked: Client, database: Database, shell: Shell
    ) -> None:
        await many_entries(tracked, database)
        with named_pipe(shell.folder / "pipe") as (pipe, end):
            running = asyncio.create_task(shell.run("export", "pipe", *CSV))
            running.add_done_callback(lambda _: end())
            await asyncio.to_thread(pipe.read, 10)
            pipe.close()
            code, _, wrong = await running
        assert (code, wrong) == (1, "pipe cannot be written: Broken pipe.\n")


class TestADevice:
    async def test_is_written_through(self, shell: Shell) -> None:
        """A terminal of the test's own stands for all devices."""
        ours, theirs = pty.openpty()
        try:
            tty.setraw(theirs)
            device, before = os.ttyname(theirs), os.fstat(theirs)
            assert stat.S_ISCHR(before.st_mode)
            link = shell.folder / "terminal"
            link.symlink_to(device)
            code, said, wrong = await shell.run("export", "terminal", *CSV)
            assert (code, wrong) == (0, "")
            assert said.endswith(b" to terminal.\n")
            assert link.is_symlink()
            assert os.path.samestat(link.stat(), before)
            os.set_blocking(ours, False)
            assert hours(os.read(ours, 100_000)) == ["Write the offer"]
        finally:
            os.close(ours)
            os.close(theirs)


class TestASymbolicLink:
    @pytest.mark.parametrize("there", [True, False])
    async def test_stays_and_its_target_is_written(self, shell: Shell, there: bool) -> None:
        (shell.folder / "kept").mkdir()
        target = shell.folder / "kept" / "week.csv"
        if there:
            target.write_text("what was there")
        (shell.folder / "week.csv").symlink_to("kept/week.csv")
        code, said, wrong = await shell.run("export", "week.csv", *CSV)
        assert (code, wrong) == (0, "")
        assert said.endswith(b" to week.csv.\n")
        assert (shell.folder / "week.csv").readlink() == Path("kept/week.csv")
        assert hours(target.read_bytes()) == ["Write the offer"]
        assert target.stat().st_mode & 0o077 == 0
        assert [path.name for path in (shell.folder / "kept").iterdir()] == ["week.csv"]

    async def test_to_standard_output_is_standard_output(self, shell: Shell) -> None:
        (shell.folder / "stdout").symlink_to("/proc/self/fd/1")
        code, written, said = await shell.run("export", "stdout", *CSV)
        assert (code, said) == (0, f"Wrote {len(written)} bytes to standard output.\n")
        assert hours(written) == ["Write the offer"]
        assert (shell.folder / "stdout").is_symlink()

    async def test_to_a_file_without_a_name_is_written_through(self, shell: Shell) -> None:
        with (shell.folder / "gone").open("w+b") as file:
            file.write(b"x" * 100_000)
            file.flush()
            (shell.folder / "gone").unlink()
            (shell.folder / "link").symlink_to(f"/proc/self/fd/{file.fileno()}")
            code, _, wrong = await shell.run("export", "link", *CSV, pass_fds=(file.fileno(),))
            assert (code, wrong) == (0, "")
            file.seek(0)
            assert hours(file.read()) == ["Write the offer"]
        assert shell.left() == ["link"]

    async def test_in_a_circle_is_refused(self, shell: Shell) -> None:
        (shell.folder / "a").symlink_to("b")
        (shell.folder / "b").symlink_to("a")
        code, _, said = await shell.run("backup", "a")
        assert (code, said) == (1, "a cannot be written: Too many levels of symbolic links.\n")
        assert shell.left() == ["a", "b"]


class TestAFolder:
    async def test_is_no_file(self, shell: Shell) -> None:
        (shell.folder / "folder").mkdir()
        for arguments, sentence in (
            (("export", "folder", *CSV), "folder cannot be written: Is a directory.\n"),
            (("import", "folder", *READ_IN), "folder cannot be read: Is a directory.\n"),
        ):
            assert (await shell.run(*arguments))[::2] == (1, sentence)
        assert shell.left() == ["folder"]


class TestAReaderThatGoesAway:
    """What it has not read is not missed: the command ends, and says nothing."""

    @pytest.mark.parametrize("read", [0, 10])
    async def test_ends_an_export(self, tracked: Client, database: Database, shell: Shell, read: int) -> None:
        await many_entries(tracked, database)
        read_end, write_end = os.pipe()

        running = asyncio.create_task(shell.run("export", "-", *CSV, stdout=write_end))
        running.add_done_callback(lambda _: os.close(write_end))
        await asyncio.to_thread(os.read, read_end, read)
        os.close(read_end)
        ended = await running
        assert ended == (141, b"", "")

    @pytest.mark.parametrize("arguments", [("openapi",), ("doctor",)], ids=str)
    async def test_ends_what_prints(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        ended = await shell.run(*arguments, stdout=write_end)
        os.close(write_end)
        assert ended == (141, b"", "")
