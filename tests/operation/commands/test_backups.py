"""`task-timer backup` and `task-timer restore`."""

import asyncio
import json
import shutil
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from secrets import token_urlsafe
from typing import BinaryIO

import bson
import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.config import Settings
from documents.maintenance.dump import COLLECTIONS, _has_snapshot_reads, open_snapshot
from documents.registry import DOCUMENTS, PROCESS_DOCUMENTS
from tests.accounts.test_account_deletion import create_all_documents
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.feed.recorded import wait_until_relayed
from tests.support.feed.relays import relays_paused
from tests.support.http import PASSWORD, Client, Json, at, clock
from tests.support.processes import named_pipe, run_command
from tests.support.stored_documents import ended_entry, insert_rows


class Shell:
    """Runs the commands in a directory, on either database."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        assert settings.database_url is not None
        self.folder = folder
        self.url = settings.database_url.get_secret_value()

    async def run(self, *arguments: str, on: Database) -> tuple[int, str, str]:
        """Return the exit code, standard output and standard error."""
        variables = {"DATABASE_URL": self.url, "DATABASE_NAME": on.name}
        result = await asyncio.to_thread(run_command, *arguments, folder=self.folder, **variables)
        return result.returncode, result.stdout, result.stderr


@pytest.fixture
def shell(tmp_path: Path, settings: Settings) -> Shell:
    return Shell(tmp_path, settings)


async def stored_in(database: Database) -> dict[str, list[Json]]:
    """Return all documents of each collection."""
    names = [document.Settings.name for document in DOCUMENTS if document not in PROCESS_DOCUMENTS]
    return {name: await database[name].find({}).sort("_id", 1).to_list(None) for name in names}


def rewrite_members(file: Path, **members: bytes) -> None:
    """Replace the contents of these members of the archive."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, members.get(name.partition(".")[0], content))


def make_earlier_backup(file: Path) -> None:
    """Change the backup into one of the schema version before task_pages."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != "task_pages.bson"}
    manifest = json.loads(contents["manifest.json"])
    manifest["schema_version"] = 2
    del manifest["collections"]["task_pages"]
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**contents, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, content)


def damaged(file: Path) -> dict[str, bytes]:
    """Return damaged versions of the file, each with a file name."""
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        tasks = archive.getinfo("tasks.bson")
    flipped = bytearray(whole)
    flipped[tasks.header_offset + 100] ^= 1
    return {
        "cut.zip": whole[:-1],
        "half.zip": whole[: len(whole) // 2],
        "flipped.zip": bytes(flipped),
        "empty.zip": b"",
        "text.zip": b"x" * 100,
    }


class TestBackupAndRestore:
    async def test_restore_brings_back_all_documents(
        self, alice: Client, bob: Client, database: Database, empty_database: Database, shell: Shell
    ) -> None:
        await create_all_documents(alice, database)
        await create_all_documents(bob, database)
        async with relays_paused():
            before = await stored_in(database)
            count = sum(len(rows) for rows in before.values())
            assert await shell.run("backup", "all.zip", on=database) == (
                0,
                f"Wrote {count:,} documents to all.zip.\n",
                "",
            )
            assert (shell.folder / "all.zip").stat().st_mode & 0o077 == 0
            assert await shell.run("restore", "all.zip", on=empty_database) == (
                0,
                f"Restored {count:,} documents.\n",
                "",
            )
            assert await stored_in(empty_database) == before == await stored_in(database)
        indexes = await empty_database.tasks.index_information()
        assert indexes.keys() == (await database.tasks.index_information()).keys()
        code, output, _ = await shell.run("doctor", on=empty_database)
        assert (code, output.endswith("no inconsistency found.\n")) == (0, True)

    async def test_backup_without_pages_is_restored(
        self, alice: Client, database: Database, empty_database: Database, shell: Shell
    ) -> None:
        """A backup of an earlier version has no collection of pages."""
        await alice.write(await alice.make_task())
        await wait_until_relayed(database, alice.user["_id"])
        async with relays_paused():
            assert (await shell.run("backup", "all.zip", on=database))[0] == 0
            make_earlier_backup(shell.folder / "all.zip")
            assert (await shell.run("restore", "all.zip", on=empty_database))[0] == 0
            assert await stored_in(empty_database) == await stored_in(database)
        assert (await shell.run("doctor", on=empty_database))[0] == 0

    async def test_manifest_describes_the_collections(self, alice: Client, database: Database, shell: Shell) -> None:
        await alice.make_task()
        await shell.run("backup", "all.zip", on=database)
        with zipfile.ZipFile(shell.folder / "all.zip") as archive:
            manifest = json.loads(archive.read("manifest.json"))
            (task,) = bson.decode_all(archive.read("tasks.bson"))
        assert manifest["collections"].keys() == set(COLLECTIONS)
        assert manifest["collections"]["tasks"]["documents"] == 1
        assert task["title"] == "Write the offer"
        assert PASSWORD not in str(task)

    async def test_empty_database_can_be_backed_up_and_restored(
        self, database: Database, empty_service: str, empty_database: Database, shell: Shell
    ) -> None:
        assert empty_service
        assert (await shell.run("restore", "none.zip", on=database))[0] == 1
        assert (await shell.run("backup", "all.zip", on=empty_database))[:2] == (0, "Wrote 0 documents to all.zip.\n")
        assert (await shell.run("restore", "all.zip", on=empty_database))[:2] == (0, "Restored 0 documents.\n")


class Mover:
    """Moves the entries of a user from task to task, and deletes and restores them, one step at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tasks: list[Json] = []
        self.places: dict[str, str] = {}

    async def prepare(self) -> None:
        """Create four entries and delete half of them."""
        self.tasks = [await self.client.make_task(title=f"Task {n}") for n in range(4)]
        for n in range(4):
            start = clock(f"{n:02}:00")
            entry = await self.client.write(self.tasks[n], started_at=start, duration_seconds=60 * (n + 1))
            self.places[entry["id"]] = at(entry)
        for entry_id in list(self.places)[::2]:
            await self._delete(entry_id)

    async def step(self, number: int) -> None:
        """Restore the deleted entries. Move the others to the next task and delete them there."""
        await asyncio.gather(*(self._move(entry_id, self.tasks[number % 4]["id"]) for entry_id in self.places))

    async def _move(self, entry_id: str, task_id: str) -> None:
        restored = await self.client.request_until_available("POST", f"/time-entries/{entry_id}/restore")
        if restored.status_code == 201:
            return
        if task_id not in self.places[entry_id]:
            moved = await self.client.request_until_available(
                "POST", f"{self.places[entry_id]}/move", json={"task_id": task_id}
            )
            assert moved.status_code == 200, moved.text
            self.places[entry_id] = at(moved.json())
        await self._delete(entry_id)

    async def _delete(self, entry_id: str) -> None:
        assert (await self.client.request_until_available("DELETE", self.places[entry_id])).status_code == 204


def deleted_entries(client: Client, count: int) -> list[Json]:
    """Return deleted entries with notes that cannot be compressed."""
    task_id = ObjectId()
    return [
        {
            "_id": entry["id"],
            "user_id": client.user["_id"],
            "task_id": task_id,
            "entry": entry,
            "deleted_at": naive_utc(utc_now()),
        }
        for entry in (ended_entry(note=token_urlsafe(600)) for _ in range(count))
    ]


async def read_while(pipe: BinaryIO, do: Callable[[int], Awaitable[None]]) -> bytes:
    """Read the pipe in parts, and run `do` between two parts. The writer is blocked meanwhile."""
    content, number = b"", 0
    while some := await asyncio.to_thread(pipe.read, 30_000):
        content += some
        if b"deleted_entries.bson" in content and len(content) > 30_000 * number:
            number += 1
            await do(number)
    assert number > 2
    return content


class TestBackupOfDatabaseInUse:
    async def test_backup_shows_the_database_at_one_instant(
        self, alice: Client, database: Database, empty_database: Database, shell: Shell
    ) -> None:
        """Each entry is where it was at that instant, in a task or deleted, and the counters match."""
        mover = Mover(alice)
        await mover.prepare()
        await wait_until_relayed(database, alice.user["_id"])
        # The deleted entries are read before the tasks and do not fit into the pipe: the backup is blocked there.
        await insert_rows(database, "deleted_entries", deleted_entries(alice, 400))
        async with relays_paused():
            before = await stored_in(database)
            with named_pipe(shell.folder / "pipe") as (pipe, end):
                backup = asyncio.create_task(shell.run("backup", "pipe", on=database))
                backup.add_done_callback(lambda _: end())
                content = await read_while(pipe, mover.step)
                code, _, stderr = await backup
        assert (code, stderr) == (0, "")
        (shell.folder / "all.zip").write_bytes(content)
        assert (await shell.run("restore", "all.zip", on=empty_database))[0] == 0
        assert await stored_in(database) != before, "the entries were not moved during the backup"
        assert await stored_in(empty_database) == before
        await assert_stored_time_is_consistent(empty_database)


class TestSnapshot:
    async def test_all_collections_are_read_as_of_one_instant(self, alice: Client, database: Database) -> None:
        """Writes after the first read of the snapshot are not visible in it, with any database."""
        task = await alice.make_task()
        async with open_snapshot() as instant:
            projects = [batch async for batch in instant.documents("projects")]
            await alice.make_project()
            await alice.patch(f"/tasks/{task['id']}", json={"title": "Changed"})
            await alice.make_task()
            titles = [row["title"] async for batch in instant.documents("tasks") for row in bson.decode_all(batch)]
            projects += [batch async for batch in instant.documents("projects")]
        assert projects == []
        assert titles == ["Write the offer"]
        assert await database.tasks.count_documents({}) == 2

    async def test_transaction_is_used_if_the_database_ignores_snapshot_reads(
        self, alice: Client, database: Database
    ) -> None:
        """The check is whether the database rejects a read as of 1970, which only one with snapshot reads does."""
        await alice.make_task()
        async with database.client.start_session(snapshot=True) as session:
            await database.tasks.find_one({}, session=session)
            await alice.make_task()
            reads_history = len(await database.tasks.find({}, session=session).to_list()) == 1
        assert await _has_snapshot_reads() == reads_history


@pytest.fixture
async def backup(alice: Client, database: Database, shell: Shell) -> Path:
    """The backup of a database with one task."""
    await alice.make_task()
    await wait_until_relayed(database, alice.user["_id"])
    assert (await shell.run("backup", "all.zip", on=database))[0] == 0
    return shell.folder / "all.zip"


class TestRefusedRestore:
    async def test_database_that_is_not_empty_is_refused(self, backup: Path, database: Database, shell: Shell) -> None:
        async with relays_paused():
            before = await stored_in(database)
            code, _, stderr = await shell.run("restore", backup.name, on=database)
            assert (code, stderr) == (1, "The database is not empty: restore the backup into an empty database.\n")
            assert await stored_in(database) == before

    async def test_incomplete_file_is_refused(self, backup: Path, empty_database: Database, shell: Shell) -> None:
        for name, content in damaged(backup).items():
            (shell.folder / name).write_bytes(content)
            code, _, stderr = await shell.run("restore", name, on=empty_database)
            assert (code, stderr) == (
                1,
                f"{name} is not a complete backup: it is truncated, or another kind of file.\n",
            )
        code, _, stderr = await shell.run("restore", "none.zip", on=empty_database)
        assert (code, stderr) == (1, "none.zip cannot be read: No such file or directory.\n")
        assert not any((await stored_in(empty_database)).values())

    async def test_modified_backup_is_refused(self, backup: Path, empty_database: Database, shell: Shell) -> None:
        with zipfile.ZipFile(backup) as archive:
            (task,) = bson.decode_all(archive.read("tasks.bson"))
            manifest = json.loads(archive.read("manifest.json"))
        newer = {**manifest, "schema_version": 10**6}
        changes: list[tuple[dict[str, bytes], str]] = [
            ({"tasks": bson.encode({**task, "title": "Write the bill!"})}, "was changed after it was created"),
            ({"tasks": b""}, "was changed after it was created"),
            ({"manifest": json.dumps(newer).encode()}, "was created by a later version"),
            ({"manifest": b"{}"}, "is not a complete backup"),
        ]
        for members, reason in changes:
            changed = shell.folder / "changed.zip"
            shutil.copy(backup, changed)
            rewrite_members(changed, **members)
            code, _, stderr = await shell.run("restore", changed.name, on=empty_database)
            assert code == 1
            assert reason in stderr
        assert not any((await stored_in(empty_database)).values())
