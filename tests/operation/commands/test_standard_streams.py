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
from tests.support.feed.relays import relays_paused
from tests.support.http import Client
from tests.support.processes import COMMAND, PATIENCE_SECONDS, clean_environment, named_pipe
from tests.transfer.exports.files import many_entries

USER = ("--user", "alice@example.com")
CSV = ("--format", "csv", *USER, "--from", "2026-11-01", "--to", "2026-12-01")
ROWS = b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n"
IMPORT_OPTIONS = ("--format", "csv", *USER, "--timezone", "UTC")


pytestmark = pytest.mark.usefixtures("tracked")


class Shell:
    """Runs `task-timer` in a directory with pipes, on the database of the test or another one."""

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
        stdout: int | None = None,
    ) -> tuple[int, bytes, str]:
        """Return the exit code, standard output and standard error. The process is forked."""
        env = clean_environment(DATABASE_URL=self.url, DATABASE_NAME=on or self.database)
        ended = await asyncio.to_thread(
            forked.run, arguments, cwd=self.folder, env=env, content=given, stdout=stdout, timeout=PATIENCE_SECONDS
        )
        return ended.returncode, ended.stdout, ended.stderr.decode()

    async def run_executed(
        self, *arguments: str, pass_fds: tuple[int, ...] = (), stdout: int = subprocess.PIPE
    ) -> tuple[int, bytes, str]:
        """Run it like `run`, but executed as a shell does it. It inherits these file descriptors."""
        ended = await asyncio.to_thread(
            subprocess.run,
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=clean_environment(DATABASE_URL=self.url, DATABASE_NAME=self.database),
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout or b"", ended.stderr.decode()

    def files(self) -> list[str]:
        """Return the names of the files in the directory."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def shell(tmp_path: Path, settings: Settings) -> Shell:
    return Shell(tmp_path, settings)


@pytest.fixture
async def tracked(alice: Client) -> Client:
    """A user with one time entry."""
    await alice.write(await alice.make_task())
    return alice


def task_titles(content: bytes) -> list[str]:
    return [row["task"] for row in csv.DictReader(io.StringIO(content.decode()))]


class TestDash:
    async def test_export_writes_to_standard_output(self, shell: Shell) -> None:
        code, written, stderr = await shell.run("export", "-", *CSV)
        assert (code, stderr) == (0, f"Wrote {len(written)} bytes to standard output.\n")
        assert task_titles(written) == ["Write the offer"]
        assert shell.files() == []

    async def test_import_reads_standard_input(self, tracked: Client, shell: Shell) -> None:
        code, written, stderr = await shell.run("import", "-", *IMPORT_OPTIONS, given=ROWS)
        assert (code, written) == (0, b"")
        assert stderr.startswith("1 entry, 1 task and 0 projects created.\n")
        assert "Import " in stderr
        titles = [task["title"] for task in (await tracked.list())["items"]]
        assert sorted(titles) == ["Mail", "Write the offer"]

    async def test_backup_and_restore_use_standard_streams(
        self, shell: Shell, database: Database, empty_database: Database
    ) -> None:
        async with relays_paused():  # a relay changes the outboxes of tasks
            code, archive, stderr = await shell.run("backup", "-")
            assert code == 0
            assert stderr.endswith(" documents to standard output.\n")
            assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None
            code, written, stderr = await shell.run("restore", "-", given=archive, on=empty_database.name)
            assert (code, written) == (0, b"")
            assert stderr.startswith("Restored ")
            assert await empty_database.tasks.find().to_list() == await database.tasks.find().to_list()
        assert shell.files() == []

    async def test_backup_can_be_appended_to_a_file(self, shell: Shell) -> None:
        """A file opened for appending: a writer that seeks back would corrupt the archive."""
        with (shell.folder / "all").open("ab") as file:
            file.write(b"before")
            file.flush()
            assert (await shell.run("backup", "-", stdout=file.fileno()))[0] == 0
        content = (shell.folder / "all").read_bytes()
        assert content.startswith(b"beforePK")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert archive.read("tasks.bson")

    async def test_errors_go_to_standard_error(self, shell: Shell) -> None:
        refused = [
            (("export", "-", "--format", "csv", *USER), b"", "--from field required.\n"),
            (("restore", "-"), b"PK", "standard input is not a complete backup: it is truncated, or another"),
            (("import", "-", *IMPORT_OPTIONS), b"", "The file "),
        ]
        for arguments, given, sentence in refused:
            code, written, stderr = await shell.run(*arguments, given=given)
            assert (code, written, stderr.count("\n")) == (1, b"", 1)
            assert stderr.startswith(sentence)


class TestPipe:
    @pytest.mark.parametrize("arguments", [("export", "pipe", *CSV), ("backup", "pipe")], ids=lambda given: given[0])
    async def test_named_pipe_is_written_directly(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        with named_pipe(shell.folder / "pipe") as (pipe, end):
            running = asyncio.create_task(shell.run(*arguments))
            running.add_done_callback(lambda _: end())
            content = await asyncio.to_thread(pipe.read)
            code, stdout, stderr = await running
        assert (code, stderr) == (0, "")
        assert stdout.endswith(b" to pipe.\n")
        assert stat.S_ISFIFO((shell.folder / "pipe").lstat().st_mode)
        assert shell.files() == ["pipe"]
        assert task_titles(content) == ["Write the offer"] if arguments[0] == "export" else content.startswith(b"PK")

    async def test_pipe_can_be_read(self, shell: Shell, empty_database: Database) -> None:
        archive = (await shell.run("backup", "-"))[1]
        for arguments, content in ((("import", *IMPORT_OPTIONS), ROWS), (("restore",), archive)):
            read_end, write_end = os.pipe()
            os.write(write_end, content)
            os.close(write_end)
            on = empty_database.name if arguments[0] == "restore" else ""
            code, _, stderr = await shell.run(*arguments, f"/proc/{os.getpid()}/fd/{read_end}", on=on)
            os.close(read_end)
            assert (code, stderr) == (0, "")
        assert await empty_database.tasks.count_documents({}) == 1

    async def test_file_descriptor_is_written_directly(self, shell: Shell) -> None:
        read_end, write_end = os.pipe()
        code, stdout, stderr = await shell.run_executed("export", f"/dev/fd/{write_end}", *CSV, pass_fds=(write_end,))
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            content = pipe.read()
        assert (code, stderr) == (0, "")
        assert stdout.endswith(f" to /dev/fd/{write_end}.\n".encode())
        assert task_titles(content) == ["Write the offer"]

    async def test_closed_named_pipe_is_reported(self, tracked: Client, database: Database, shell: Shell) -> None:
        await many_entries(tracked, database)
        with named_pipe(shell.folder / "pipe") as (pipe, end):
            running = asyncio.create_task(shell.run("export", "pipe", *CSV))
            running.add_done_callback(lambda _: end())
            await asyncio.to_thread(pipe.read, 10)
            pipe.close()
            code, _, stderr = await running
        assert (code, stderr) == (1, "pipe cannot be written: Broken pipe.\n")


class TestDevice:
    async def test_device_is_written_directly(self, shell: Shell) -> None:
        """A pseudo-terminal represents all devices."""
        ours, theirs = pty.openpty()
        try:
            tty.setraw(theirs)
            device, before = os.ttyname(theirs), os.fstat(theirs)
            assert stat.S_ISCHR(before.st_mode)
            link = shell.folder / "terminal"
            link.symlink_to(device)
            code, stdout, stderr = await shell.run("export", "terminal", *CSV)
            assert (code, stderr) == (0, "")
            assert stdout.endswith(b" to terminal.\n")
            assert link.is_symlink()
            assert os.path.samestat(link.stat(), before)
            os.set_blocking(ours, False)
            assert task_titles(os.read(ours, 100_000)) == ["Write the offer"]
        finally:
            os.close(ours)
            os.close(theirs)


class TestSymbolicLink:
    @pytest.mark.parametrize("target_exists", [True, False])
    async def test_link_stays_and_its_target_is_written(self, shell: Shell, target_exists: bool) -> None:
        (shell.folder / "kept").mkdir()
        target = shell.folder / "kept" / "week.csv"
        if target_exists:
            target.write_text("old content")
        (shell.folder / "week.csv").symlink_to("kept/week.csv")
        code, stdout, stderr = await shell.run("export", "week.csv", *CSV)
        assert (code, stderr) == (0, "")
        assert stdout.endswith(b" to week.csv.\n")
        assert (shell.folder / "week.csv").readlink() == Path("kept/week.csv")
        assert task_titles(target.read_bytes()) == ["Write the offer"]
        assert target.stat().st_mode & 0o077 == 0
        assert [path.name for path in (shell.folder / "kept").iterdir()] == ["week.csv"]

    async def test_link_to_standard_output_is_standard_output(self, shell: Shell) -> None:
        (shell.folder / "stdout").symlink_to("/proc/self/fd/1")
        code, written, stderr = await shell.run("export", "stdout", *CSV)
        assert (code, stderr) == (0, f"Wrote {len(written)} bytes to standard output.\n")
        assert task_titles(written) == ["Write the offer"]
        assert (shell.folder / "stdout").is_symlink()

    async def test_link_to_a_deleted_file_is_written_directly(self, shell: Shell) -> None:
        with (shell.folder / "gone").open("w+b") as file:
            file.write(b"x" * 100_000)
            file.flush()
            (shell.folder / "gone").unlink()
            (shell.folder / "link").symlink_to(f"/proc/{os.getpid()}/fd/{file.fileno()}")
            code, _, stderr = await shell.run("export", "link", *CSV)
            assert (code, stderr) == (0, "")
            file.seek(0)
            assert task_titles(file.read()) == ["Write the offer"]
        assert shell.files() == ["link"]

    async def test_circular_link_is_refused(self, shell: Shell) -> None:
        (shell.folder / "a").symlink_to("b")
        (shell.folder / "b").symlink_to("a")
        code, _, stderr = await shell.run("backup", "a")
        assert (code, stderr) == (1, "a cannot be written: Too many levels of symbolic links.\n")
        assert shell.files() == ["a", "b"]


class TestDirectory:
    async def test_directory_is_refused(self, shell: Shell) -> None:
        (shell.folder / "folder").mkdir()
        for arguments, sentence in (
            (("export", "folder", *CSV), "folder cannot be written: Is a directory.\n"),
            (("import", "folder", *IMPORT_OPTIONS), "folder cannot be read: Is a directory.\n"),
        ):
            assert (await shell.run(*arguments))[::2] == (1, sentence)
        assert shell.files() == ["folder"]


class TestBrokenPipe:
    """The reader of standard output has gone: the command ends silently."""

    @pytest.mark.parametrize("read", [0, 10])
    async def test_export_exits_with_141(self, tracked: Client, database: Database, shell: Shell, read: int) -> None:
        await many_entries(tracked, database)
        read_end, write_end = os.pipe()

        run = shell.run_executed if read else shell.run
        running = asyncio.create_task(run("export", "-", *CSV, stdout=write_end))
        running.add_done_callback(lambda _: os.close(write_end))
        await asyncio.to_thread(os.read, read_end, read)
        os.close(read_end)
        ended = await running
        assert ended == (141, b"", "")

    @pytest.mark.parametrize("arguments", [("openapi",), ("doctor",)], ids=str)
    async def test_printing_command_exits_with_141(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        run = shell.run_executed if arguments == ("openapi",) else shell.run
        ended = await run(*arguments, stdout=write_end)
        os.close(write_end)
        assert ended == (141, b"", "")
