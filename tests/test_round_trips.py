"""Files lose nothing: whatever was tracked, equal entries too, comes out of each format that is read as it went in."""

import csv
import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from bson import ObjectId

from services.money import major_units
from tests.books import balance
from tests.conftest import Database
from tests.support import LONG, Client, Json

YEAR = {"from": "2025-12-30", "to": "2027-01-03", "timezone": "Europe/Berlin"}
KEYS = (
    *("hour", "day", "week", "month", "quarter", "year", "weekday"),
    *("project", "client", "task", "tag", "billable", "status", "client,project", "project,task", "tag,day"),
)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")
EDGES = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((1, 1), (3, 29), (10, 25), (6, 15))]
PROJECTS = {
    None: None,
    "Website": "Ada Ltd",
    '"Quoted", with = and ;': None,
    "Büro": "Ünï",
    "=1+1": "Ada Ltd",
}
TITLES = ("Mail", "=1+1", "-x", "two words", 'He said "no"', "Ä" * 200, "(no description)", "日本語")
NOTES = (None, "call", "first\nsecond", "'=quoted", "a" * 1_000, "semi;colon, comma\tand tab", "🙂 ünï")
TAGS = ("a", "b, c", "ü;v", 'q"q', "x" * 50, "[]")
RATES = (None, (8050, "EUR"), (12_001, "JPY"), (1, "KWD"), (0, "USD"), (99_999_999, "CHF"))

OTHER: Json = {"note": "other", "tags": frozenset({"other"}), "zone": "Asia/Tokyo", "project": None, "title": "T"}


@dataclass(frozen=True)
class Tracked:
    """An entry, as a file can say it."""

    project: str | None
    title: str
    note: str | None
    tags: frozenset[str]
    started_at: datetime
    seconds: int
    billable: bool
    rate: tuple[int, str] | None
    zone: str

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.seconds)


def tracked_by_chance(chance: random.Random, count: int) -> list[Tracked]:
    """So many entries, or some more: some of them are equal, others differ from another in one thing alone."""
    entries: list[Tracked] = []
    while len(entries) < count:
        rate = chance.choice(RATES)
        like = Tracked(
            project=chance.choice([*PROJECTS]),
            title=chance.choice(TITLES),
            note=chance.choice(NOTES),
            tags=frozenset(chance.sample(TAGS, chance.randrange(3))),
            started_at=chance.choice(EDGES) + timedelta(seconds=chance.randrange(-90_000, 90_000)),
            seconds=chance.choice([0, 1, 59, 780, 3_600, 86_400, 200_000]),
            billable=rate is not None or chance.random() < 0.5,
            rate=rate,
            zone=chance.choice(ZONES),
        )
        entries += [like] * chance.choice([1, 1, 1, 2, 3])
        if chance.random() < 0.3:
            other: Json = {
                "note": "other",
                "tags": frozenset({"other"}),
                "zone": "Asia/Tokyo",
                "project": None,
                "title": "T",
            }
            name = chance.choice([*other])
            entries.append(replace(like, **{name: other[name]}))
    chance.shuffle(entries)
    return entries


def as_account(entries: list[Tracked]) -> bytes:
    """An account that holds these entries, in the form of an export of this service."""
    made = {"schema_version": 1, "created_at": "2026-11-02T08:00:00Z", "updated_at": "2026-11-02T08:00:00Z"}
    projects = {name: str(ObjectId()) for name in PROJECTS if name is not None}
    preferences = {"overlap_policy": "allow", "timer_cap_hours": 12}
    lines: list[Json] = [
        {
            "type": "account",
            "schema_version": 1,
            "exported_at": "2026-11-18T09:00:00Z",
            "email": "a@example.com",
            "full_name": None,
            "timezone": "UTC",
            "week_start": 0,
            "preferences": preferences,
        }
    ]
    for name, project_id in projects.items():
        nothing = dict.fromkeys(("color", "hourly_rate", "archived_at"))
        fields = {"id": project_id, "name": name, "client_name": PROJECTS[name], "billable": False, **nothing}
        lines.append({"type": "project", **made, **fields})
    by_task: dict[tuple[str | None, str], list[Tracked]] = {}
    for entry in entries:
        by_task.setdefault((entry.project, entry.title), []).append(entry)
    for (project, title), inside in by_task.items():
        task_id = str(ObjectId())
        nothing = dict.fromkeys(("description", "priority", "due_at", "estimate_seconds", "completed_at", "deleted_at"))
        fields = {"id": task_id, "project_id": project and projects[project], "title": title, **nothing}
        lines.append({"type": "task", **made, **fields, "status": "pending", "tags": [], "billable": False})
        lines += [{"type": "entry", **made, "task_id": task_id, **as_a_line(entry)} for entry in inside]
    counts = {"projects": len(projects), "tasks": len(by_task), "entries": len(entries), "deleted_entries": 0}
    lines.append({"type": "end", "schema_version": 1, **counts})
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def as_a_line(entry: Tracked) -> Json:
    return {
        "id": str(ObjectId()),
        "started_at": entry.started_at.isoformat(),
        "ended_at": entry.ended_at.isoformat(),
        "note": entry.note,
        "tags": sorted(entry.tags),
        "billable": entry.billable,
        "source": "manual",
        "timezone": entry.zone,
        "needs_review": False,
        "hourly_rate": entry.rate and {"amount": entry.rate[0], "currency": entry.rate[1]},
    }


def as_toggl(entries: list[Tracked]) -> bytes:
    """The same in the form of Toggl Track's detailed report: it has no rates, and no zones."""
    names = "Client,Project,Task,Description,Billable,Start date,Start time,End date,End time,Duration,Tags"
    return as_table(names.split(","), [as_toggl_has_it(entry) for entry in entries])


def as_toggl_has_it(entry: Tracked) -> list[str]:
    hours, rest = divmod(entry.seconds, 3_600)
    start, end = entry.started_at, entry.ended_at
    return [
        *((entry.project and PROJECTS[entry.project]) or "-", entry.project or "-", entry.title, entry.note or "-"),
        "Yes" if entry.billable else "No",
        *(f"{start:%Y-%m-%d}", f"{start:%H:%M:%S}", f"{end:%Y-%m-%d}", f"{end:%H:%M:%S}"),
        f"{hours:02}:{rest // 60:02}:{rest % 60:02}",
        ", ".join('"' + tag.replace('"', '""') + '"' for tag in sorted(entry.tags)) or "-",
    ]


def as_clockify(entries: list[Tracked]) -> bytes:
    """The same in the form of Clockify's detailed report, in which all rates are of one currency."""
    names = "Project,Client,Task,Description,Tags,Billable,Start Date,Start Time,End Date,End Time,Duration (h)"
    names += ",Billable Rate (EUR)"
    return as_table(names.split(","), [as_clockify_has_it(entry) for entry in entries])


def as_clockify_has_it(entry: Tracked) -> list[str]:
    _, project, title, note, billable, *times, tags = [cell if cell != "-" else "" for cell in as_toggl_has_it(entry)]
    client = (entry.project and PROJECTS[entry.project]) or ""
    rate = "" if entry.rate is None else str(major_units(*entry.rate))
    return [project, client, title, note, tags, billable, *times, rate]


def as_table(names: list[str], rows: list[list[str]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    return text.getvalue().encode()


async def read_in(client: Client, content: bytes, form: str) -> Json:
    """The import of this file, none of whose rows is wrong."""
    data = {"format": form} | ({} if form == "account" else {"timezone": "UTC"})
    response = await client.post("/imports", data=data, files={"file": ("export", content)})
    assert response.status_code == 201, response.text
    made: Json = response.json()
    assert made["errors"] == []
    return made


async def entries_of(client: Client) -> Counter[Tracked]:
    """How often the account has each entry."""
    projects = {project["id"]: project for project in (await client.get("/projects")).json()["items"]}
    tasks = {task["id"]: task for task in (await client.list(limit=200))["items"]}
    found: Counter[Tracked] = Counter()
    page: Json = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        asked = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await client.get("/time-entries", params={**YEAR, "limit": 200, **asked})).json()
        for entry in page["items"]:
            task = tasks[entry["task_id"]]
            project = task["project_id"] and projects[task["project_id"]]
            if project:
                assert project["client_name"] == PROJECTS[project["name"]]
            rate = entry["hourly_rate"]
            found[
                Tracked(
                    project=project and project["name"],
                    title=task["title"],
                    note=entry["note"],
                    tags=frozenset([*entry["tags"], *task["tags"]]),
                    started_at=datetime.fromisoformat(entry["started_at"]),
                    seconds=entry["duration_seconds"],
                    billable=entry["billable"],
                    rate=rate and (rate["amount"], rate["currency"]),
                    zone=entry["timezone"],
                )
            ] += 1
    return found


async def reports(client: Client) -> dict[str, Any]:
    """The year by every key, without ids."""
    found = {}
    for key in KEYS:
        response = await client.get("/reports/summary", params={**YEAR, "group_by": key})
        assert response.status_code == 200, response.text
        summary: Json = response.json()
        found[key] = (summary["total_seconds"], summary["amounts"], without_ids(summary["rows"]))
    return found


def without_ids(rows: list[Json]) -> list[Any]:
    shown = [
        (row["label"], row["seconds"], row["entry_count"], str(row["amounts"]), without_ids(row.get("rows", [])))
        for row in rows
    ]
    return sorted(shown, key=str)


def in_utc(entries: list[Tracked], *, rates: bool) -> list[Tracked]:
    """The entries as a program has them that knows no zones, and rates in EUR at most, none of which is 0."""
    return [
        replace(entry, zone="UTC", rate=(entry.rate[0] or 1, "EUR") if rates and entry.rate else None)
        for entry in entries
    ]


@pytest.mark.parametrize("form", ["csv", "account", "toggl", "clockify"])
@pytest.mark.parametrize("seed", range(40 if LONG else 2))
class TestWhatIsReadIn:
    async def test_is_what_was_tracked_and_nothing_more(
        self, form: str, seed: int, alice: Client, bob: Client, database: Database
    ) -> None:
        tracked = tracked_by_chance(random.Random(f"{form} {seed}"), 40)
        if form in {"toggl", "clockify"}:
            tracked = in_utc(tracked, rates=form == "clockify")
        await read_in(alice, as_account(tracked), "account")
        assert await entries_of(alice) == Counter(tracked)
        content = await self.written(alice, tracked, form)

        made = await read_in(bob, content, form)
        assert (made["created"]["entries"], made["duplicates"]) == (len(tracked), 0)
        assert await entries_of(bob) == Counter(tracked)
        assert await reports(bob) == await reports(alice)

        again = await read_in(bob, content, form)
        assert (again["created"], again["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 0}, len(tracked))
        assert await entries_of(bob) == Counter(tracked)
        await balance(database)

    async def test_is_all_there_when_the_file_has_grown(self, form: str, seed: int, alice: Client, bob: Client) -> None:
        """What was read in of it before comes from a file of some of the entries, in any order."""
        chance = random.Random(f"grown {form} {seed}")
        tracked = in_utc(tracked_by_chance(chance, 30), rates=form == "clockify")
        if form in {"csv", "account"}:
            await read_in(alice, as_account(tracked), "account")
        whole = await self.written(alice, tracked, form)
        some = chance.sample(tracked, 15)
        if form == "csv":
            header, *lines = [*csv.reader(StringIO(whole.decode()))]
            whole = as_table(header, lines)
            part = as_table(header, chance.sample(lines, 15))
        elif form == "account":
            part = whole  # it holds all, or it is refused
            some = tracked
        else:
            part = await self.written(alice, some, form)
        assert (await read_in(bob, part, form))["created"]["entries"] == len(some)
        made = await read_in(bob, whole, form)
        assert (made["created"]["entries"], made["duplicates"]) == (len(tracked) - len(some), len(some))
        assert await entries_of(bob) == Counter(tracked)

    async def written(self, client: Client, tracked: list[Tracked], form: str) -> bytes:
        """A file of these entries, which the account holds."""
        if form == "toggl":
            return as_toggl(tracked)
        if form == "clockify":
            return as_clockify(tracked)
        path = "/exports/account.ndjson.gz" if form == "account" else "/exports/time-entries.csv"
        response = await client.get(path, params={} if form == "account" else YEAR)
        assert response.status_code == 200, response.text
        return response.content


class TestOurOwnExport:
    async def test_adds_nothing_where_it_comes_from(self, alice: Client) -> None:
        tracked = tracked_by_chance(random.Random(0), 30)
        await read_in(alice, as_account(tracked), "account")
        content = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        made = await read_in(alice, content, "csv")
        assert (made["created"]["entries"], made["duplicates"]) == (0, len(tracked))
        assert {left["reason"] for left in made["left_out"]} == {"is an entry of this account: it has its entry_id"}

    async def test_goes_by_entry_id_whatever_was_changed(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task(title="Mail", tags=["a"])
        entry = await alice.write(task)
        before = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Post", "tags": []})
        await alice.patch(f"/tasks/{task['id']}/time-entries/{entry['id']}", json={"note": "n"})
        after = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        assert (await read_in(bob, before, "csv"))["created"]["entries"] == 1
        made = await read_in(bob, after, "csv")
        assert (made["created"], made["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 0}, 1)
