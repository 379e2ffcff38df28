"""Random entries with all fields that a file can have, and an account file that contains them."""

import gzip
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from tests.support.http import Client, Json

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")
EDGE_DAYS = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((1, 1), (3, 29), (10, 25), (6, 15))]
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

DIFFERENT_VALUES: Json = {
    "note": "other",
    "tags": frozenset({"other"}),
    "zone": "Asia/Tokyo",
    "project": None,
    "title": "T",
}


@dataclass(frozen=True)
class SampleEntry:
    """An entry with the fields that a file can have."""

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


def generate_entries(rng: random.Random, count: int) -> list[SampleEntry]:
    """Generate at least `count` entries. Some are equal, and some differ from another in one field only."""
    entries: list[SampleEntry] = []
    while len(entries) < count:
        rate = rng.choice(RATES)
        entry = SampleEntry(
            project=rng.choice([*PROJECTS]),
            title=rng.choice(TITLES),
            note=rng.choice(NOTES),
            tags=frozenset(rng.sample(TAGS, rng.randrange(3))),
            started_at=rng.choice(EDGE_DAYS) + timedelta(seconds=rng.randrange(-90_000, 90_000)),
            seconds=rng.choice([0, 1, 59, 780, 3_600, 86_400, 200_000]),
            billable=rate is not None or rng.random() < 0.5,
            rate=rate,
            zone=rng.choice(ZONES),
        )
        entries += [entry] * rng.choice([1, 1, 1, 2, 3])
        if rng.random() < 0.3:
            name = rng.choice([*DIFFERENT_VALUES])
            entries.append(replace(entry, **{name: DIFFERENT_VALUES[name]}))
    rng.shuffle(entries)
    return entries


def to_account_file(entries: list[SampleEntry]) -> bytes:
    """Write an account file that contains these entries."""
    common = {"schema_version": 1, "created_at": "2026-11-02T08:00:00Z", "updated_at": "2026-11-02T08:00:00Z"}
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
        lines.append({"type": "project", **common, **fields})
    by_task: dict[tuple[str | None, str], list[SampleEntry]] = {}
    for entry in entries:
        by_task.setdefault((entry.project, entry.title), []).append(entry)
    for (project, title), inside in by_task.items():
        task_id = str(ObjectId())
        nothing = dict.fromkeys(("description", "priority", "due_at", "estimate_seconds", "completed_at", "deleted_at"))
        fields = {"id": task_id, "project_id": project and projects[project], "title": title, **nothing}
        lines.append({"type": "task", **common, **fields, "status": "pending", "tags": [], "billable": False})
        lines += [{"type": "entry", **common, "task_id": task_id, **to_account_line(entry)} for entry in inside]
    counts = {"projects": len(projects), "tasks": len(by_task), "entries": len(entries), "deleted_entries": 0}
    lines.append({"type": "end", "schema_version": 1, **counts})
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def to_account_line(entry: SampleEntry) -> Json:
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


async def summary_reports(groups: Iterable[str], client: Client, query: Mapping[str, str]) -> dict[str, Any]:
    """Get the summary report for each group, without ids."""
    reports = {}
    for group_by in groups:
        response = await client.get("/reports/summary", params={**query, "group_by": group_by})
        assert response.status_code == 200, response.text
        summary: Json = response.json()
        reports[group_by] = (summary["total_seconds"], summary["amounts"], _without_ids(summary["rows"]))
    return reports


def _without_ids(rows: list[Json]) -> list[Any]:
    rows_without_ids = [
        (row["label"], row["seconds"], row["entry_count"], str(row["amounts"]), _without_ids(row.get("rows", [])))
        for row in rows
    ]
    return sorted(rows_without_ids, key=str)
