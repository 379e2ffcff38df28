"""Entries in the form of other programs' files, and what of an entry each of these forms carries."""

import csv
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from io import BytesIO, StringIO

from services.common.values.money import major_units
from tests.support.http import Json
from tests.support.random_entries import PROJECTS, Tracked

HUNDREDTH_OF_AN_HOUR = 36
HOUR = 3_600
NINE = time(9, tzinfo=UTC)


@dataclass(frozen=True)
class Foreign:
    """A form of file: what is left of entries in it, and how it is written.

    `has_clock` is False where it has days alone: where on its day an entry lies is then up to the rows of the file.
    """

    carries: Callable[[list[Tracked]], list[Tracked]]
    written: Callable[[list[Tracked]], bytes]
    has_clock: bool = True


def by_day(entries: Counter[Tracked]) -> Counter[Tracked]:
    """The entries as a form without times of day tells them apart."""
    found: Counter[Tracked] = Counter()
    for entry, count in entries.items():
        found[replace(entry, started_at=datetime.combine(entry.started_at, NINE))] += count
    return found


def without_rates(entries: list[Tracked]) -> list[Tracked]:
    """The form of Toggl Track: it has no rates, and no zones."""
    return [replace(entry, zone="UTC", rate=None) for entry in entries]


def with_rates_in_eur(entries: list[Tracked]) -> list[Tracked]:
    """The form of Clockify: all rates are of one currency, 0 is none, and it has no zones."""
    return [replace(entry, zone="UTC", rate=entry.rate and (entry.rate[0] or 1, "EUR")) for entry in entries]


def with_names_by_project(entries: list[Tracked]) -> list[Tracked]:
    """The form of solidtime: as Clockify's, but a task is in a project; without one there is a description alone."""
    return [replace(entry, note=entry.note if entry.project else None) for entry in with_rates_in_eur(entries)]


def as_intervals(entries: list[Tracked]) -> list[Tracked]:
    """The form of Timewarrior: it has times, tags and an annotation."""
    nothing: Json = {"project": None, "note": None, "billable": False, "rate": None, "zone": "UTC"}
    return [replace(entry, **nothing) for entry in entries]


def as_hours(entries: list[Tracked]) -> list[Tracked]:
    """The form of Harvest: a day and hundredths of hours, no tags and no zones; a rate of 0 is none.

    An entry begins where the one before on its day ends, the first at nine, and is an hour long at most here, so that
    no day is longer than a day.
    """
    carried: list[Tracked] = []
    before: Counter[datetime] = Counter()
    for entry in entries:
        seconds = min(entry.seconds, HOUR) // HUNDREDTH_OF_AN_HOUR * HUNDREDTH_OF_AN_HOUR
        opens = datetime.combine(entry.started_at, NINE)
        started_at = opens + timedelta(seconds=before[opens])
        before[opens] += seconds
        assert started_at.date() == opens.date()
        rate = entry.rate and (entry.rate[0] or 1, entry.rate[1])
        other: Json = {"tags": frozenset(), "zone": "UTC", "seconds": seconds, "started_at": started_at, "rate": rate}
        carried.append(replace(entry, **other))
    return carried


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


def as_harvest(entries: list[Tracked]) -> bytes:
    """The same in the form of Harvest's detailed time report."""
    names = "Date,Client,Project,Project Code,Task,Notes,Hours,Billable?,Invoiced?,First Name,Last Name,"
    names += "Billable Rate,Billable Amount,Cost Rate,Cost Amount,Currency"
    return as_table(names.split(","), [as_harvest_has_it(entry) for entry in entries])


def as_harvest_has_it(entry: Tracked) -> list[str]:
    client = (entry.project and PROJECTS[entry.project]) or ""
    rate = 0 if entry.rate is None else major_units(*entry.rate)
    amount = round(rate * entry.seconds / HOUR, 2)
    return [
        *(f"{entry.started_at:%Y-%m-%d}", client, entry.project or "", "", entry.title, entry.note or ""),
        *(f"{entry.seconds / HOUR:.2f}", "Yes" if entry.billable else "No", "No", "Ada", "Byron"),
        *(f"{rate:f}", f"{amount:f}", "0.0", "0.0", entry.rate[1] if entry.rate else "EUR"),
    ]


def as_timewarrior(entries: list[Tracked]) -> bytes:
    """The same as timew exports it: what is empty is not there, and the newest interval has the id 1."""
    intervals = [
        {
            "id": number,
            "start": f"{entry.started_at:%Y%m%dT%H%M%SZ}",
            "end": f"{entry.ended_at:%Y%m%dT%H%M%SZ}",
            **({"tags": sorted(entry.tags)} if entry.tags else {}),
            **({"annotation": entry.title} if entry.tags or entry.title != "(no description)" else {}),
        }
        for number, entry in zip(range(len(entries), 0, -1), entries, strict=True)
    ]
    return json.dumps(intervals).encode()


def as_solidtime(entries: list[Tracked]) -> bytes:
    """The same as the archive of solidtime's export, in which an entry names all others by ids."""
    names = [name for name in PROJECTS if name is not None]
    clients = sorted({client for client in PROJECTS.values() if client is not None})
    tasks = sorted({(entry.project, entry.title) for entry in entries if entry.project is not None})
    tags = sorted({tag for entry in entries for tag in entry.tags})
    rows = []
    for number, entry in enumerate(entries):
        client = PROJECTS[entry.project]
        times = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (entry.started_at, entry.ended_at)]
        in_a_project = ["", "", ""]
        description = entry.title
        if entry.project is not None:
            task_id = f"t{tasks.index((entry.project, entry.title))}"
            in_a_project = [f"c{clients.index(client)}" if client else "", f"p{names.index(entry.project)}", task_id]
            description = entry.note or ""
        rate = "" if entry.rate is None else str(entry.rate[0])
        tag_ids = json.dumps([f"g{tags.index(tag)}" for tag in sorted(entry.tags)])
        said = [rate, "true" if entry.billable else "false", "m1", "u1", "o1"]
        rows.append([f"e{number}", description, *times, *said, *in_a_project, tag_ids, "false"])
    entry_names = "id,description,start,end,billable_rate,billable,member_id,user_id,organization_id,client_id,"
    entry_names += "project_id,task_id,tags,is_imported"
    clients_of = {name: PROJECTS[name] for name in names}
    return zipped(
        {
            "organizations": ("id,name,currency", [["o1", "Ada Ltd", "EUR"]]),
            "members": ("id,user_id,name,email", [["m1", "u1", "Ada Byron", "ada@example.com"]]),
            "clients": ("id,name", [[f"c{at}", name] for at, name in enumerate(clients)]),
            "projects": (
                "id,name,client_id",
                [
                    [f"p{at}", name, f"c{clients.index(client)}" if client else ""]
                    for at, (name, client) in enumerate(clients_of.items())
                ],
            ),
            "tasks": (
                "id,name,project_id",
                [[f"t{at}", title, f"p{names.index(str(project))}"] for at, (project, title) in enumerate(tasks)],
            ),
            "tags": ("id,name", [[f"g{at}", name] for at, name in enumerate(tags)]),
            "time_entries": (entry_names, rows),
        }
    )


def zipped(tables: dict[str, tuple[str, Sequence[list[str]]]]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, (header, rows) in tables.items():
            archive.writestr(f"{name}.csv", as_table(header.split(","), [*rows]))
    return content.getvalue()


FOREIGN = {
    "toggl": Foreign(without_rates, as_toggl),
    "clockify": Foreign(with_rates_in_eur, as_clockify),
    "harvest": Foreign(as_hours, as_harvest, has_clock=False),
    "timewarrior": Foreign(as_intervals, as_timewarrior),
    "solidtime": Foreign(with_names_by_project, as_solidtime),
}
