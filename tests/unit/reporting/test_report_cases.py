"""The cases of tests/cases/reports.yaml, each computed by hand."""

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

# BaseLoader reads every value as a string: 23:00:00 is not a base 60 number.
from tests import paths

CASES = yaml.load((paths.CASES / "reports.yaml").read_text(), Loader=yaml.BaseLoader)


def second(text: str, zone: ZoneInfo) -> int:
    """Return an instant, or the start of a local date, in seconds since 1970."""
    instant = datetime.fromisoformat(text) if "T" in text else start_of_day(date.fromisoformat(text), zone)
    return int(instant.timestamp())


def tracked(line: str, zone: ZoneInfo) -> tuple[TrackedTask, TrackedEntry]:
    """Parse an entry of a case, and its task."""
    start, end, *options = line.split()
    words = dict(word.split("=") for word in options)
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


def listed_values(row: Any, words: list[str]) -> list[str]:
    """Return the values of a row that the case lists."""
    names = {word.split("=")[0] for word in words}
    values = [clock(row["seconds"])]
    if "rounded" in names:
        values.append(f"rounded={clock(row['rounded_seconds'])}")
    if "entries" in names:
        values.append(f"entries={row['entry_count']}")
    if names - {"rounded", "entries", words[0]}:
        values += [f"{amount['currency']}={amount['amount']}" for amount in row["amounts"]]
    return values


def clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_report_equals_the_expected_rows(case: Any) -> None:
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
    totals = ReportTotals(plan)
    for line in case["entries"].splitlines():
        task, entry = tracked(line, zone)
        run_without_pauses(totals.add(task, [entry]))
    grand_total, rows = run_without_pauses(totals.result())
    expected = [line.split() for line in case["rows"].splitlines()]
    assert [
        [str(row["key"] or "null"), *listed_values(row, words)] for row, (_, *words) in zip(rows, expected, strict=True)
    ] == expected
    total = {
        "seconds": grand_total.seconds,
        "rounded_seconds": grand_total.rounded,
        "amounts": read_amounts(grand_total),
    }
    if "total" in case:
        words = case["total"].split()
        assert listed_values(total, words) == words
    else:
        assert grand_total.seconds == sum(row["seconds"] for row in rows)
        assert grand_total.rounded == sum(row["rounded_seconds"] for row in rows)
