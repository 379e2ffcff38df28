"""The cases of tests/cases/reports.yaml, each reckoned by hand."""

import re
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from services.common.calendar_days import start_of_day
from services.reporting.row_keys import TrackedEntry, TrackedTask
from services.reporting.schemas import SummaryQuery
from services.reporting.summary import Plan, ReportTotals, read_amounts, run_without_pauses

# Every value is a text: 23:00:00 is a time of 23 hours here, not a number of YAML's.
from tests import paths

CASES = yaml.load((paths.CASES / "reports.yaml").read_text(), Loader=yaml.BaseLoader)


def second(text: str, zone: ZoneInfo) -> int:
    """An instant, or a date of the zone, in seconds since 1970."""
    moment = datetime.fromisoformat(text) if "T" in text else start_of_day(date.fromisoformat(text), zone)
    return int(moment.timestamp())


def tracked(line: str, zone: ZoneInfo) -> tuple[TrackedTask, TrackedEntry]:
    """An entry as it stands in a case, and its task."""
    start, end, *said = line.split()
    words = dict(word.split("=") for word in said)
    rate = re.fullmatch(r"(\d+)([A-Z]{3})", words.get("rate", ""))
    name, project = words.get("task", "task"), words.get("project")
    task = TrackedTask(
        name,
        name,
        project,
        project,
        words.get("client"),
        tags=words["task_tags"].split(",") if "task_tags" in words else (),
    )
    entry = TrackedEntry(
        second(start, zone),
        second(end, zone),
        rate is not None,
        int(rate[1]) if rate else 0,
        rate[2] if rate else None,
        words["tags"].split(",") if "tags" in words else (),
    )
    return task, entry


def said_of(row: Any, words: list[str]) -> list[str]:
    """What the row says, of what is to be checked."""
    names = {word.split("=")[0] for word in words}
    said = [clock(row["seconds"])]
    if "rounded" in names:
        said.append(f"rounded={clock(row['rounded_seconds'])}")
    if "entries" in names:
        said.append(f"entries={row['entry_count']}")
    if names - {"rounded", "entries", words[0]}:
        said += [f"{amount['currency']}={amount['amount']}" for amount in row["amounts"]]
    return said


def clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_it_adds_up_to_what_was_reckoned_by_hand(case: Any) -> None:
    zone = ZoneInfo(case["zone"])
    since, until = case["time"].split()
    query = SummaryQuery.model_validate({"from": "2026-01-01", "to": "2026-01-02", **case.get("ask", {})})
    plan = Plan(
        since=second(since, zone),
        until=second(until, zone),
        zone=zone,
        groups=query.group_by,
        week_start=query.week_start or 0,
        rounding=query.rounding,
        scope=query.rounding_scope,
        fill=query.fill,
    )
    sums = ReportTotals(plan)
    for line in case["entries"].splitlines():
        task, entry = tracked(line, zone)
        run_without_pauses(sums.add(task, [entry]))
    added, rows = run_without_pauses(sums.result())
    wanted = [line.split() for line in case["rows"].splitlines()]
    assert [
        [str(row["key"] or "null"), *said_of(row, words)] for row, (_, *words) in zip(rows, wanted, strict=True)
    ] == wanted
    total = {"seconds": added.seconds, "rounded_seconds": added.rounded, "amounts": read_amounts(added)}
    if "total" in case:
        words = case["total"].split()
        assert said_of(total, words) == words
    else:
        assert added.seconds == sum(row["seconds"] for row in rows)
        assert added.rounded == sum(row["rounded_seconds"] for row in rows)
