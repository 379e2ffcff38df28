"""`task-timer backup` and `task-timer restore`: the whole database as a file, and back."""

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
from documents.maintenance.dump import _has_snapshot_reads, open_snapshot
from documents.registry import DOCUMENTS
from tests.accounts.test_account_deletion import with_a_bit_of_everything
from tests.conftest import Database
from tests.races.stored_time import balance
from tests.support.http import PASSWORD, Client, Json, at, clock
from tests.support.processes import named_pipe, outcome
from tests.support.stored_documents import ended_entry


class Shell:
    """The two commands in a folder, on one database or the other."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        assert settings.database_url is not None
        self.folder = folder
        self.url = settings.database_url.get_secret_value()

    async def run(self, *arguments: str, on: Database) -> tuple[int, str, str]:
        """How it exits, and what it says on stdout and on stderr."""
        variables = {"DATABASE_URL": self.url, "DATABASE_NAME": on.name}
        told = await asyncio.to_thread(outcome, *arguments, folder=self.folder, **variables)
        return told.returncode, told.stdout, told.stderr


@pytest.fixture
def shell(tmp_path: Path, settings: Settings) -> Shell:
    return Shell(tmp_path, settings)


async def stored_in(database: Database) -> dict[str, list[Json]]:
    """All documents."""
    names = [document.Settings.name for document in DOCUMENTS]
    return {name: await database[name].find({}).sort("_id", 1).to_list(None) for name in names}


def rewritten(file: Path, **members: bytes) -> None:
    """The archive with other contents of these members."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, members.get(name.partition(".")[0], content))


def damaged(file: Path) -> dict[str, bytes]:
    """What may have become of the file, by a name for it."""
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


class TestABackup:
    async def test_brings_everything_back(
        self, alice: Client, bob: Client, database: Database, empty_database: Database, shell: Shell
    ) -> None:
        await with_a_bit_of_everything(alice)
        await with_a_bit_of_everything(bob)
        before = await stored_in(database)
        count = sum(len(rows) for rows in before.values())
        assert await shell.run("backup", "all.zip", on=database) == (0, f"Wrote {count:,} documents to all.zip.\n", "")
        assert (shell.folder / "all.zip").stat().st_mode & 0o077 == 0
        assert await shell.run("restore", "all.zip", on=empty_database) == (
            0,
            f"Restored {count:,} documents.\n",
            "",
        )
        assert await stored_in(empty_database) == before == await stored_in(database)
        indexes = await empty_database.tasks.index_information()
        assert indexes.keys() == (await database.tasks.index_information()).keys()
        code, said, _ = await shell.run("doctor", on=empty_database)
        assert (code, said.endswith("no inconsistency found.\n")) == (0, True)

    async def test_tells_what_is_in_it(self, alice: Client, database: Database, shell: Shell) -> None:
        await alice.make_task()
        await shell.run("backup", "all.zip", on=database)
        with zipfile.ZipFile(shell.folder / "all.zip") as archive:
            manifest = json.loads(archive.read("manifest.json"))
            (task,) = bson.decode_all(archive.read("tasks.bson"))
        assert manifest["collections"].keys() == {document.Settings.name for document in DOCUMENTS}
        assert manifest["collections"]["tasks"]["documents"] == 1
        assert task["title"] == "Write the offer"
        assert PASSWORD not in str(task)

    async def test_of_nothing_is_one(
        self, database: Database, empty_service: str, empty_database: Database, shell: Shell
    ) -> None:
        assert empty_service
        assert (await shell.run("restore", "none.zip", on=database))[0] == 1
        assert (await shell.run("backup", "all.zip", on=empty_database))[:2] == (0, "Wrote 0 documents to all.zip.\n")
        assert (await shell.run("restore", "all.zip", on=empty_database))[:2] == (0, "Restored 0 documents.\n")


class Mover:
    """Entries of a user that are sent from task to task, and among the deleted ones and back, one step at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tasks: list[Json] = []
        self.places: dict[str, str] = {}

    async def prepare(self) -> None:
        """Four entries, half of them deleted."""
        self.tasks = [await self.client.make_task(title=f"Task {n}") for n in range(4)]
        for n in range(4):
            start = clock(f"{n:02}:00")
            entry = await self.client.write(self.tasks[n], started_at=start, duration_seconds=60 * (n + 1))
            self.places[entry["id"]] = at(entry)
        for entry_id in list(self.places)[::2]:
            await self._delete(entry_id)

    async def step(self, number: int) -> None:
        """What is deleted comes back; what is not goes to the next task, and is deleted there."""
        await asyncio.gather(*(self._move(entry_id, self.tasks[number % 4]["id"]) for entry_id in self.places))

    async def _move(self, entry_id: str, task_id: str) -> None:
        restored = await self.client.insist("POST", f"/time-entries/{entry_id}/restore")
        if restored.status_code == 201:
            return
        if task_id not in self.places[entry_id]:
            moved = await self.client.insist("POST", f"{self.places[entry_id]}/move", json={"task_id": task_id})
            assert moved.status_code == 200, moved.text
            self.places[entry_id] = at(moved.json())
        await self._delete(entry_id)

    async def _delete(self, entry_id: str) -> None:
        assert (await self.client.insist("DELETE", self.places[entry_id])).status_code == 204


def deleted_entries(client: Client, count: int) -> list[Json]:
    """Deleted entries with notes that no archive makes smaller."""
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
    """What comes out of the pipe, a bit at a time; between two bits something is done, for which its writer waits."""
    content, number = b"", 0
    while some := await asyncio.to_thread(pipe.read, 30_000):
        content += some
        if b"deleted_entries.bson" in content and len(content) > 30_000 * number:
            number += 1
            await do(number)
    assert number > 2
    return content


class TestABackupOfADatabaseInUse:
    async def test_is_of_one_instant(
        self, alice: Client, database: Database, empty_database: Database, shell: Shell
    ) -> None:
        """Each entry is where it was at that instant, in one task or among the deleted ones, and the counters fit."""
        mover = Mover(alice)
        await mover.prepare()
        # The deleted ones are read before the tasks, and are too many for the pipe: it is meanwhile that all is moved.
        await database.deleted_entries.insert_many(deleted_entries(alice, 400))
        before = await stored_in(database)
        with named_pipe(shell.folder / "pipe") as (pipe, end):
            backup = asyncio.create_task(shell.run("backup", "pipe", on=database))
            backup.add_done_callback(lambda _: end())
            content = await read_while(pipe, mover.step)
            code, _, wrong = await backup
        assert (code, wrong) == (0, "")
        (shell.folder / "all.zip").write_bytes(content)
        assert (await shell.run("restore", "all.zip", on=empty_database))[0] == 0
        assert await stored_in(database) != before, "nothing was moved meanwhile"
        assert await stored_in(empty_database) == before
        await balance(empty_database)


class TestAnInstant:
    async def test_is_one_for_all_collections(self, alice: Client, database: Database) -> None:
        """Whatever the database is: what is written after the first read is not in what is read."""
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

    async def test_is_read_in_a_transaction_where_the_database_does_not_mind_what_it_is_asked_for(
        self, alice: Client, database: Database
    ) -> None:
        """What decides is what the database does: one that reads as of an instant refuses one of 1970."""
        await alice.make_task()
        async with await database.client.start_session(snapshot=True) as session:
            await database.tasks.find_one({}, session=session)
            await alice.make_task()
            reads_history = len(await database.tasks.find({}, session=session).to_list()) == 1
        assert await _has_snapshot_reads() == reads_history


@pytest.fixture
async def backup(alice: Client, database: Database, shell: Shell) -> Path:
    """The backup of a task."""
    await alice.make_task()
    assert (await shell.run("backup", "all.zip", on=database))[0] == 0
    return shell.folder / "all.zip"


class TestWhatIsRefused:
    async def test_is_a_database_that_is_not_empty(self, backup: Path, database: Database, shell: Shell) -> None:
        before = await stored_in(database)
        code, _, said = await shell.run("restore", backup.name, on=database)
        assert (code, said) == (1, "The database is not empty: restore the backup into an empty database.\n")
        assert await stored_in(database) == before

    async def test_is_a_file_that_is_not_whole(self, backup: Path, empty_database: Database, shell: Shell) -> None:
        for name, content in damaged(backup).items():
            (shell.folder / name).write_bytes(content)
            code, _, said = await shell.run("restore", name, on=empty_database)
            assert (code, said) == (1, f"{name} is not a complete backup: it is truncated, or another kind of file.\n")
        code, _, said = await shell.run("restore", "none.zip", on=empty_database)
        assert (code, said) == (1, "none.zip cannot be read: No such file or directory.\n")
        assert not any((await stored_in(empty_database)).values())

    async def test_is_one_that_was_changed(self, backup: Path, empty_database: Database, shell: Shell) -> None:
        with zipfile.ZipFile(backup) as archive:
            (task,) = bson.decode_all(archive.read("tasks.bson"))
            manifest = json.loads(archive.read("manifest.json"))
        later = {**manifest, "schema_version": 10**6}
        changes: list[tuple[dict[str, bytes], str]] = [
            ({"tasks": bson.encode({**task, "title": "Write the bill!"})}, "was changed after it was created"),
            ({"tasks": b""}, "was changed after it was created"),
            ({"manifest": json.dumps(later).encode()}, "was created by a later version"),
            ({"manifest": b"{}"}, "is not a complete backup"),
        ]
        for members, why in changes:
            changed = shell.folder / "changed.zip"
            shutil.copy(backup, changed)
            rewritten(changed, **members)
            code, _, said = await shell.run("restore", changed.name, on=empty_database)
            assert code == 1
            assert why in said
        assert not any((await stored_in(empty_database)).values())
