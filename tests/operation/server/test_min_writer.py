"""A service refuses a database that a later version has written to, in one sentence and without changing anything."""

import asyncio
from pathlib import Path

import pytest
from pymongo import MongoClient

from app.config import Settings
from app.database.min_writer import LaterVersionError
from app.database.setup import VALIDATORS_ID, Validators, initialise
from app.database.view import SCHEMA_VERSIONS
from app.embedded.endpoint_file import running_endpoint
from app.main import create_app
from documents.common.json_schema import MIN_WRITER, SCHEMA_VERSION
from documents.registry import DOCUMENTS, open_database, open_database_without_setup, prepare, validators
from documents.tracking.view import time_entries_view
from tests.conftest import Database
from tests.operation.commands.test_commands import IMPORT, ON_A_DATABASE, error_sentence
from tests.support.feed.relays import relays_paused
from tests.support.http import Json
from tests.support.processes import free_port, run_command, running
from tests.support.services import restoring_documents

LATER = SCHEMA_VERSION + 2
SENTENCE = (
    "A later version of Task Timer has written to this database: use a version with schema version "
    f"{LATER} or higher (this one has {SCHEMA_VERSION})."
)

RECORDS: list[Json] = [{"_id": VALIDATORS_ID}, {"_id": "view time_entries"}, {"_id": "of a later version"}]


async def contents(database: Database) -> Json:
    """Return all collections, with their options, indexes and documents."""
    collections = (await database.command("listCollections"))["cursor"]["firstBatch"]
    return {
        collection["name"]: (
            collection["options"],
            await database[collection["name"]].index_information() if collection["type"] == "collection" else None,
            await database[collection["name"]].find({}).to_list(None),
        )
        for collection in collections
    }


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def other_settings(empty_database: Database, settings: Settings) -> Settings:
    """The settings of a service on the empty database."""
    return settings.model_copy(update={"database_name": empty_database.name})


async def write_as_later_version(database: Database, record: Json, **fields: object) -> None:
    """Prepare the database, then make it one that only a later version may use."""
    await prepare(database)
    await database[SCHEMA_VERSIONS].update_one(record, {"$set": {"min_writer": LATER, **fields}}, upsert=True)


class TestRefusal:
    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["_id"]))
    async def test_database_is_refused_and_unchanged(
        self, database: Database, empty_database: Database, other_settings: Settings, record: Json
    ) -> None:
        # While the documents are bound to the empty database, a relay would write its lease there.
        async with relays_paused(), restoring_documents(database):
            await write_as_later_version(empty_database, record)
            await empty_database.tasks.drop_indexes()
            await empty_database.drop_collection("time_entries")
            before = await contents(empty_database)
            for opened in (open_database, open_database_without_setup):
                with pytest.raises(LaterVersionError) as raised:
                    async with opened(other_settings):
                        pass
                assert str(raised.value) == SENTENCE
                assert await contents(empty_database) == before

    async def test_highest_number_of_all_records_applies(
        self, empty_database: Database, other_settings: Settings
    ) -> None:
        await empty_database[SCHEMA_VERSIONS].insert_many(
            [{"_id": "a", "min_writer": SCHEMA_VERSION + 1}, {"_id": "b", "min_writer": LATER}, {"_id": "c"}]
        )
        with pytest.raises(LaterVersionError, match=f"schema version {LATER} or higher"):
            async with open_database(other_settings):
                pass

    async def test_application_does_not_start(self, empty_database: Database, other_settings: Settings) -> None:
        app = create_app(other_settings)
        await empty_database[SCHEMA_VERSIONS].insert_one({"_id": "a", "min_writer": LATER})
        with pytest.raises(LaterVersionError):
            async with app.router.lifespan_context(app):
                pass
        assert await empty_database.list_collection_names() == [SCHEMA_VERSIONS]

    async def test_own_number_is_accepted(
        self, empty_database: Database, database: Database, other_settings: Settings
    ) -> None:
        await empty_database[SCHEMA_VERSIONS].insert_one({"_id": "a", "min_writer": SCHEMA_VERSION})
        async with relays_paused(), restoring_documents(database), open_database(other_settings):
            pass
        assert "tasks" in await empty_database.list_collection_names()


class TestCommands:
    @pytest.mark.parametrize("arguments", ON_A_DATABASE, ids=" ".join)
    async def test_command_fails_with_one_sentence(
        self, empty_database: Database, settings: Settings, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        assert settings.database_url is not None
        url = settings.database_url.get_secret_value()
        variables = {"DATABASE_URL": url, "DATABASE_NAME": empty_database.name}
        await empty_database[SCHEMA_VERSIONS].insert_one({"_id": "a", "min_writer": LATER})
        (tmp_path / "x.csv").write_text("Start,End,Task\n")
        result = await asyncio.to_thread(run_command, *arguments, folder=tmp_path, **variables)
        assert error_sentence(result) == SENTENCE
        assert await empty_database.list_collection_names() == [SCHEMA_VERSIONS]
        assert file_names(tmp_path) == ["x.csv"]

    async def test_restore_fails_with_one_sentence(
        self, empty_database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        assert settings.database_url is not None
        url = settings.database_url.get_secret_value()
        backup = await asyncio.to_thread(
            run_command, "backup", "x.zip", folder=tmp_path, DATABASE_URL=url, DATABASE_NAME=settings.database_name
        )
        assert backup.returncode == 0, backup.stderr
        await empty_database[SCHEMA_VERSIONS].insert_one({"_id": "a", "min_writer": LATER})
        result = await asyncio.to_thread(
            run_command, "restore", "x.zip", folder=tmp_path, DATABASE_URL=url, DATABASE_NAME=empty_database.name
        )
        assert error_sentence(result) == SENTENCE
        assert await empty_database.list_collection_names() == [SCHEMA_VERSIONS]


class TestServe:
    @pytest.mark.parametrize("workers", [1, 2])
    async def test_database_of_database_url_is_refused(
        self, empty_database: Database, settings: Settings, tmp_path: Path, workers: int
    ) -> None:
        assert settings.database_url is not None
        await empty_database[SCHEMA_VERSIONS].insert_one({"_id": "a", "min_writer": LATER})
        result = await asyncio.to_thread(
            run_command,
            "serve",
            folder=tmp_path,
            PORT=free_port(),
            WORKERS=workers,
            DATABASE_URL=settings.database_url.get_secret_value(),
            DATABASE_NAME=empty_database.name,
        )
        assert error_sentence(result) == SENTENCE
        assert await empty_database.list_collection_names() == [SCHEMA_VERSIONS]

    def test_embedded_store_is_refused(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port()) as service:
            service.wait_until_ready()
            url = running_endpoint(tmp_path / "data")
            with MongoClient[Json](url) as client:
                later = {"$set": {"min_writer": LATER}}
                client.task_timer_db[SCHEMA_VERSIONS].update_one({"_id": "a"}, later, upsert=True)
        (tmp_path / "x.csv").write_text("Start,End,Task\n")
        assert error_sentence(run_command("serve", folder=tmp_path, PORT=free_port())) == SENTENCE
        assert error_sentence(run_command(*IMPORT, folder=tmp_path)) == SENTENCE


class TestRecord:
    async def record(self, database: Database) -> Json:
        record = await database[SCHEMA_VERSIONS].find_one({"_id": VALIDATORS_ID})
        assert record is not None
        return record

    async def test_start_stores_the_number_of_this_version(self, database: Database, empty_database: Database) -> None:
        async with relays_paused(), restoring_documents(database):
            await prepare(empty_database)
            assert (await self.record(empty_database))["min_writer"] == MIN_WRITER
            earlier = {"$set": {"version": SCHEMA_VERSION - 1}, "$unset": {"min_writer": ""}}
            await empty_database[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, earlier)
            await prepare(empty_database)
            assert (await self.record(empty_database))["min_writer"] == MIN_WRITER

    async def test_number_is_never_lowered(self, database: Database, empty_database: Database) -> None:
        async with relays_paused(), restoring_documents(database):
            for version, min_writer in ((9, 7), (8, 6), (9, 5), (10, 8)):
                newer = Validators(version, min_writer, validators().schemas)
                await initialise(empty_database, DOCUMENTS, newer, time_entries_view())
                record = await self.record(empty_database)
                assert (record["version"], record["min_writer"]) == ((10, 8) if version == 10 else (9, 7))
