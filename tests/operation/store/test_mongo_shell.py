"""The examples of docs/mongo-shell.rst, run by the driver, and by mongosh where it is installed."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from typing import Any

import docutils.core
import docutils.nodes
import pytest
from bson import ObjectId, json_util

from app.config import Settings
from documents.tracking.view import TIME_ENTRIES_VIEW
from tests.conftest import Database
from tests.paths import DOCS
from tests.support.http import Client, Json
from tests.support.stored_documents import ended_entry, paged_task, project_row, running_entry, task_row, tracked

PAGE = DOCS / "mongo-shell.rst"
AGGREGATION = re.compile(rf"db\.{TIME_ENTRIES_VIEW}\.aggregate\((.*)\)", re.DOTALL)

Rows = list[Json]


def examples() -> dict[str, str]:
    """Return the code of each section of the page, by the title of the section."""
    page = docutils.core.publish_doctree(PAGE.read_text())
    sections = page.findall(docutils.nodes.section)
    return {
        section[0].astext(): block.astext()
        for section in sections
        for block in section.findall(docutils.nodes.literal_block)
        if "javascript" in block["classes"]
    }


def pipeline(code: str, user_id: ObjectId) -> Rows:
    """Return the pipeline of an example in the format of the driver."""
    match = AGGREGATION.fullmatch(code)
    assert match, code
    text = re.sub(r"([{,]\s*)([$\w]+):", r'\1"\2":', match[1])
    text = re.sub(r'ISODate\(("[^"]*")\)', r'{"$date": \1}', text)
    stages: Rows = json_util.loads(re.sub(r": ada\b", f': {{"$oid": "{user_id}"}}', text))
    return stages


def run_in_mongosh(executable: str, settings: Settings, codes: list[str]) -> list[Rows]:
    """Return the rows that mongosh prints for each example. The first example of the page defines `ada`."""
    assert settings.database_url is not None
    scripts = [examples()["The view"].replace("ada@example.com", "alice@example.com")]
    scripts += [f"print(EJSON.stringify({code}.toArray(), {{relaxed: true}}))" for code in codes]
    url = settings.database_url.get_secret_value().replace("/?", f"/{settings.database_name}?")
    process = subprocess.run(
        [executable, url, "--quiet", "--norc", "--eval", ";".join(scripts)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("[")]


def at(text: str, minutes: int, **fields: Any) -> Json:
    return ended_entry(at=datetime.fromisoformat(f"2026-11-{text}"), minutes=minutes, **fields)


@pytest.fixture
async def tracked_time(alice: Client, bob: Client, database: Database) -> None:
    """Time entries of Alice and Bob in November. Alice's task of the project Site has two pages."""
    user_id = alice.user["_id"]
    site = project_row(user_id, name="Site", client_name="Ada & Sons")
    own = project_row(user_id, name="Own")
    await database.projects.insert_many([site, own])
    paged, pages = paged_task(
        user_id,
        [at("15 23:30", 60, tags=["late", "web"])],
        [at("16 09:00", 30)],
        [at("16 09:30", 60)],
        tags=["web"],
        project_id=site["_id"],
    )
    await database.task_pages.insert_many(pages)
    rows = [
        paged,
        task_row(user_id, project_id=own["_id"], **tracked(at("23 09:00", 20, tags=["late"]))),
        task_row(user_id, **tracked(at("24 09:00", 10))) | {"active": running_entry(tags=["running"])},
        task_row(user_id, deleted_at=datetime(2026, 11, 18), **tracked(at("24 09:00", 10))),  # noqa: DTZ001
        task_row(bob.user["_id"], tags=["bob"], project_id=site["_id"], **tracked(at("16 09:00", 600))),
    ]
    await database.tasks.insert_many(rows)


EXPECTED: dict[str, Rows] = {
    "Hours per tag": [
        {"tag": "web", "hours": 2.5},
        {"tag": "late", "hours": 1.33},
        {"tag": None, "hours": 0.17},
        {"tag": "running", "hours": 0},
    ],
    "Hours per client": [{"client": "Ada & Sons", "hours": 2.5}, {"client": None, "hours": 0.5}],
    # Sunday 23:30 in UTC is Monday in Berlin.
    "Hours per week": [
        {"week": "2026-11-16", "hours": 2.5, "entries": 4},
        {"week": "2026-11-23", "hours": 0.5, "entries": 2},
    ],
}


class TestMongoShellPage:
    @pytest.mark.usefixtures("tracked_time")
    async def test_examples_return_the_tracked_hours(
        self, alice: Client, database: Database, settings: Settings
    ) -> None:
        codes = {title: code for title, code in examples().items() if title in EXPECTED}
        assert list(codes) == list(EXPECTED)
        for title, code in codes.items():
            stages = pipeline(code, alice.user["_id"])
            assert await (await database[TIME_ENTRIES_VIEW].aggregate(stages)).to_list(None) == EXPECTED[title]
        if executable := shutil.which("mongosh"):
            assert run_in_mongosh(executable, settings, list(codes.values())) == list(EXPECTED.values())

    async def test_every_additional_field_of_the_view_is_documented(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        row = await database[TIME_ENTRIES_VIEW].find_one({})
        assert row is not None
        documented = set(re.findall(r"^``(\w+)``  ", PAGE.read_text(), re.MULTILINE))
        assert documented == row.keys() - (entry.keys() - {"task_id"})
