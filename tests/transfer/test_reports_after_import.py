"""Reports are equal after importing an export into a new account."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Database, MakeUser
from tests.support.http import LONG, Client, Json
from tests.support.random_entries import summary_reports

pytestmark = pytest.mark.usefixtures("entry_storage")

YEAR = {"from": "2025-12-30", "to": "2027-01-03"}
GROUPS = ("day", "weekday", "client", "billable", "project,task", "tag,day")
ZONE = "Europe/Berlin"
IN_BERLIN = {**YEAR, "timezone": ZONE}
RATES = [None, {"amount": 8050, "currency": "EUR"}, {"amount": 12_001, "currency": "JPY"}]


async def tracked_by_chance(client: Client, chance: random.Random) -> None:
    """Create random projects, tasks and entries, also at clock changes and at the turn of the year."""
    projects = [
        await client.make_project(name=name, client_name=chance.choice([None, "ACME", "Ünï"]), hourly_rate=rate)
        for name, rate in zip(("Website", '"Quoted", with = and ;', "Büro"), RATES, strict=True)
    ]
    homes = [None, *(project["id"] for project in projects)]
    titles = ["Mail", "=1+1", "-x", "two words", 'He said "no"', "Ä" * 200]
    tasks = [
        await client.make_task(title=title, project_id=chance.choice(homes), tags=chance.sample(["a", "b, c"], 1))
        for title in titles
    ]
    edges = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((1, 1), (3, 29), (10, 25), (6, 15))]
    for _ in range(20):
        started_at = chance.choice(edges) + timedelta(seconds=chance.randrange(-90_000, 90_000))
        await client.write(
            chance.choice(tasks),
            started_at=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            duration_seconds=chance.choice([1, 59, 3600, 86_400, 200_000]),
            note=chance.choice([None, "first\nsecond", "'=quoted", " spaced "]),
            tags=chance.sample(["x", "y z", "ü;v"], chance.randrange(3)),
            billable=chance.choice([True, False]),
        )


async def everything_of(client: Client, database: Database) -> list[Json]:
    mine = {"user_id": client.user["_id"]}
    return [row for name in ("tasks", "projects") for row in await database[name].find(mine).to_list(None)]


@pytest.mark.parametrize("seed", range(3 if LONG else 1))
class TestReportsAfterImport:
    @pytest.mark.parametrize("form", ["csv", "account"])
    async def test_imported_export_has_equal_reports(
        self, make_user: MakeUser, database: Database, seed: int, form: str
    ) -> None:
        alice, bob = await make_user("alice@example.com"), await make_user("bob@example.com")
        await tracked_by_chance(alice, random.Random(seed))
        path = "/exports/account.ndjson.gz" if form == "account" else "/exports/time-entries.csv"
        exported = await alice.get(path, params={} if form == "account" else IN_BERLIN)
        assert exported.status_code == 200

        async def import_file(client: Client) -> Json:
            data = {"format": form} | ({} if form == "account" else {"timezone": ZONE})
            response = await client.post("/imports", data=data, files={"file": ("export", exported.content)})
            assert response.status_code == 201, response.text
            result: Json = response.json()
            assert result["errors"] == []
            return result

        before = await summary_reports(GROUPS, alice, IN_BERLIN)
        batch = await import_file(bob)
        assert batch["created"]["entries"] == 20
        assert await summary_reports(GROUPS, bob, IN_BERLIN) == before

        for client in (bob, alice):  # again, and where it came from
            assert (await import_file(client))["created"]["entries"] == 0
        assert await summary_reports(GROUPS, bob, IN_BERLIN) == before

        assert (await bob.delete(f"/imports/{batch['id']}")).status_code == 200
        assert await everything_of(bob, database) == []
