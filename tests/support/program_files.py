"""Write entries as files of other programs, and reduce entries to what each format can represent."""

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
from tests.support.random_entries import PROJECTS, SampleEntry

HUNDREDTH_OF_AN_HOUR = 36
HOUR = 3_600
NINE = time(9, tzinfo=UTC)


@dataclass(frozen=True)
class ProgramFormat:
    """A file format.

    Attributes:
        reduce: Reduces entries to what the format can represent.
        write: Writes entries to a file.
        has_time_of_day: Whether entries have a time of day. If not, it depends on the order of the rows.
    """

    reduce: Callable[[list[SampleEntry]], list[SampleEntry]]
    write: Callable[[list[SampleEntry]], bytes]
    has_time_of_day: bool = True


def at_day_start(entries: Counter[SampleEntry]) -> Counter[SampleEntry]:
    """Move all entries to 09:00 of their day, for the comparison of formats without times of day."""
    moved: Counter[SampleEntry] = Counter()
    for entry, count in entries.items():
        moved[replace(entry, started_at=datetime.combine(entry.started_at, NINE))] += count
    return moved


def reduce_to_toggl(entries: list[SampleEntry]) -> list[SampleEntry]:
    """Toggl Track: no rates and no time zones."""
    return [replace(entry, zone="UTC", rate=None) for entry in entries]


def reduce_to_clockify(entries: list[SampleEntry]) -> list[SampleEntry]:
    """Clockify: one currency for all rates, no rate of 0, no time zones."""
    return [replace(entry, zone="UTC", rate=entry.rate and (entry.rate[0] or 1, "EUR")) for entry in entries]


def reduce_to_solidtime(entries: list[SampleEntry]) -> list[SampleEntry]:
    """Solidtime: as Clockify, but tasks need a project; without one there is only a description."""
    return [replace(entry, note=entry.note if entry.project else None) for entry in reduce_to_clockify(entries)]


def reduce_to_timewarrior(entries: list[SampleEntry]) -> list[SampleEntry]:
    """Timewarrior: only times, tags and an annotation."""
    nothing: Json = {"project": None, "note": None, "billable": False, "rate": None, "zone": "UTC"}
    return [replace(entry, **nothing) for entry in entries]


def reduce_to_harvest(entries: list[SampleEntry]) -> list[SampleEntry]:
    """Harvest: days and hundredths of hours, no tags, no time zones, no rate of 0.

    Entries of a day follow one another from 09:00. Each is cut to an hour, so that no day passes midnight.
    """
    reduced: list[SampleEntry] = []
    before: Counter[datetime] = Counter()
    for entry in entries:
        seconds = min(entry.seconds, HOUR) // HUNDREDTH_OF_AN_HOUR * HUNDREDTH_OF_AN_HOUR
        day_start = datetime.combine(entry.started_at, NINE)
        started_at = day_start + timedelta(seconds=before[day_start])
        before[day_start] += seconds
        assert started_at.date() == day_start.date()
        rate = entry.rate and (entry.rate[0] or 1, entry.rate[1])
        other: Json = {"tags": frozenset(), "zone": "UTC", "seconds": seconds, "started_at": started_at, "rate": rate}
        reduced.append(replace(entry, **other))
    return reduced


def write_toggl(entries: list[SampleEntry]) -> bytes:
    """Write the detailed report of Toggl Track."""
    names = "Client,Project,Task,Description,Billable,Start date,Start time,End date,End time,Duration,Tags"
    return to_csv_file(names.split(","), [toggl_row(entry) for entry in entries])


def toggl_row(entry: SampleEntry) -> list[str]:
    hours, rest = divmod(entry.seconds, 3_600)
    start, end = entry.started_at, entry.ended_at
    return [
        *((entry.project and PROJECTS[entry.project]) or "-", entry.project or "-", entry.title, entry.note or "-"),
        "Yes" if entry.billable else "No",
        *(f"{start:%Y-%m-%d}", f"{start:%H:%M:%S}", f"{end:%Y-%m-%d}", f"{end:%H:%M:%S}"),
        f"{hours:02}:{rest // 60:02}:{rest % 60:02}",
        ", ".join('"' + tag.replace('"', '""') + '"' for tag in sorted(entry.tags)) or "-",
    ]


def write_clockify(entries: list[SampleEntry]) -> bytes:
    """Write the detailed report of Clockify."""
    names = "Project,Client,Task,Description,Tags,Billable,Start Date,Start Time,End Date,End Time,Duration (h)"
    names += ",Billable Rate (EUR)"
    return to_csv_file(names.split(","), [clockify_row(entry) for entry in entries])


def clockify_row(entry: SampleEntry) -> list[str]:
    _, project, title, note, billable, *times, tags = [cell if cell != "-" else "" for cell in toggl_row(entry)]
    client = (entry.project and PROJECTS[entry.project]) or ""
    rate = "" if entry.rate is None else str(major_units(*entry.rate))
    return [project, client, title, note, tags, billable, *times, rate]


def to_csv_file(names: list[str], rows: list[list[str]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    return text.getvalue().encode()


def write_harvest(entries: list[SampleEntry]) -> bytes:
    """Write the detailed time report of Harvest."""
    names = "Date,Client,Project,Project Code,Task,Notes,Hours,Billable?,Invoiced?,First Name,Last Name,"
    names += "Billable Rate,Billable Amount,Cost Rate,Cost Amount,Currency"
    return to_csv_file(names.split(","), [harvest_row(entry) for entry in entries])


def harvest_row(entry: SampleEntry) -> list[str]:
    client = (entry.project and PROJECTS[entry.project]) or ""
    rate = 0 if entry.rate is None else major_units(*entry.rate)
    amount = round(rate * entry.seconds / HOUR, 2)
    return [
        *(f"{entry.started_at:%Y-%m-%d}", client, entry.project or "", "", entry.title, entry.note or ""),
        *(f"{entry.seconds / HOUR:.2f}", "Yes" if entry.billable else "No", "No", "Ada", "Byron"),
        *(f"{rate:f}", f"{amount:f}", "0.0", "0.0", entry.rate[1] if entry.rate else "EUR"),
    ]


def write_timewarrior(entries: list[SampleEntry]) -> bytes:
    """Write the output of timew export: empty values are left out, and the newest interval has the id 1."""
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


def write_solidtime(entries: list[SampleEntry]) -> bytes:
    """Write the export archive of solidtime, in which entries refer to ids."""
    project_ids = {name: f"p{number}" for number, name in enumerate(filter(None, PROJECTS))}
    client_ids = {name: f"c{number}" for number, name in enumerate(sorted({*filter(None, PROJECTS.values())}))}
    task_names = sorted({(entry.project, entry.title) for entry in entries if entry.project is not None})
    task_ids = {name: f"t{number}" for number, name in enumerate(task_names)}
    tag_ids = {tag: f"g{number}" for number, tag in enumerate(sorted({tag for entry in entries for tag in entry.tags}))}
    rows = []
    for number, entry in enumerate(entries):
        times = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (entry.started_at, entry.ended_at)]
        description, project_cells = entry.title, ["", "", ""]
        if entry.project is not None:
            description = entry.note or ""
            client_id = client_ids.get(PROJECTS[entry.project] or "", "")
            project_cells = [client_id, project_ids[entry.project], task_ids[entry.project, entry.title]]
        rate = "" if entry.rate is None else str(entry.rate[0])
        rate_cells = [rate, "true" if entry.billable else "false", "m1", "u1", "o1"]
        tags = json.dumps([tag_ids[tag] for tag in sorted(entry.tags)])
        rows.append([f"e{number}", description, *times, *rate_cells, *project_cells, tags, "false"])
    projects = [[id_, name, client_ids.get(PROJECTS[name] or "", "")] for name, id_ in project_ids.items()]
    entry_header = "id,description,start,end,billable_rate,billable,member_id,user_id,organization_id,client_id,"
    return to_zip_file(
        {
            "organizations": ("id,name,currency", [["o1", "Ada Ltd", "EUR"]]),
            "members": ("id,user_id,name,email", [["m1", "u1", "Ada Byron", "ada@example.com"]]),
            "clients": ("id,name", [[id_, name] for name, id_ in client_ids.items()]),
            "projects": ("id,name,client_id", projects),
            "tasks": (
                "id,name,project_id",
                [[id_, title, project_ids[name]] for (name, title), id_ in task_ids.items()],
            ),
            "tags": ("id,name", [[id_, name] for name, id_ in tag_ids.items()]),
            "time_entries": (f"{entry_header}project_id,task_id,tags,is_imported", rows),
        }
    )


def to_zip_file(tables: dict[str, tuple[str, Sequence[list[str]]]]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, (header, rows) in tables.items():
            archive.writestr(f"{name}.csv", to_csv_file(header.split(","), [*rows]))
    return content.getvalue()


PROGRAM_FORMATS = {
    "toggl": ProgramFormat(reduce_to_toggl, write_toggl),
    "clockify": ProgramFormat(reduce_to_clockify, write_clockify),
    "harvest": ProgramFormat(reduce_to_harvest, write_harvest, has_time_of_day=False),
    "timewarrior": ProgramFormat(reduce_to_timewarrior, write_timewarrior),
    "solidtime": ProgramFormat(reduce_to_solidtime, write_solidtime),
}
